// Nothing is called: it is preloaded.
