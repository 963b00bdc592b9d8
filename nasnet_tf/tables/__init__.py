"""Tables of finished trainings, their official files, and searches simulated on them."""
