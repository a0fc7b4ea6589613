"""What is asked of each exercise, and what is known to go wrong in it: a module for each chapter of the course."""
