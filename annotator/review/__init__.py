"""Second looks: assignments, blind answers, agreement, reviews, adjudication, comments and progress."""
