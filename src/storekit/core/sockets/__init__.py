"""The second part of the seam: waiting for sockets, with the same names in both worlds."""
