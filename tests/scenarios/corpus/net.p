cposix
system
(S'touch EXECUTED'
tR.
