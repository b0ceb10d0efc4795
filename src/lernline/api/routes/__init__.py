"""The API's routes, a module per topic: names of the wire in, commands and reads of the stations out."""
