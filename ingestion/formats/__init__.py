"""File formats: each module reads one family, page by page, whatever place the file came from."""
