"""The tests of an MTA that sends mail to the service: a file per theme."""
