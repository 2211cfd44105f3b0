"""The wire: the .proto files of package fairlead.v1 and the code generated from them."""
