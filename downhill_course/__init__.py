"""What makes the course Downhill · 下山: its figures, notebooks, pages, site and grader."""
