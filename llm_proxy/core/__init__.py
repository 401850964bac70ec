"""What both halves speak of: what is asked, and a reply as a stream of events.

Beside the nouns there is what happens to every reply on its way. Knows no Flask, no JSON and no
clock.
"""
