"""The lab's nameserver."""
