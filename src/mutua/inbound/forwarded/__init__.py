"""Client certificates out of the headers that proxies send. Pure: who may send them is decided elsewhere."""
