"""Transform: the graph from an encoded image to what the network reads."""
