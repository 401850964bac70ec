"""What ours is measured against: the least that answers, on several servers."""
