"""The chapter's five exercises, worked."""
