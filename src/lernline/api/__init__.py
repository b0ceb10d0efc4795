"""The HTTP face: envelopes, principals, one access rule per route, and routes that only translate."""
