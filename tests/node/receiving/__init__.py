"""Content of uploads that is received past the HTTP parser."""
