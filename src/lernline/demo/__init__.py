"""A small course and the people in it, played through a real service from the first lesson to the report."""
