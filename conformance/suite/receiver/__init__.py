"""The tests of an MTA that receives what the service forwards: a file per theme."""
