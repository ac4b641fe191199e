"""Dense embedding functions, one file each."""
