"""What pictures are made of: boxes, arrows, text, and files of them. matplotlib is imported when
something is drawn.
"""
