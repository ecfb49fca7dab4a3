#pragma once
#include <czmq.h>
