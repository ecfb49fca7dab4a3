Ì
wE
C
Placeholder
output"dtype"
dtypetype"
shapeshape:"train"gpu*2.21.02v2.21.0-rc1-5-ga481b10260dQ
J
xPlaceholder*
_output_shapes
:*
dtype0*
shape:"ª