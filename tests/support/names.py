"""What the streams and subjects are called where ``queue.name`` is as by default."""

from kigeon.queue.broker.names import StreamNames

NAMES = StreamNames()

EVENTS, EVENTS_SUBJECT = NAMES.events, NAMES.events_subject
SEEN, SEEN_SUBJECT = NAMES.seen, NAMES.seen_subject
RETRY, RETRY_SUBJECT = NAMES.retry, NAMES.retry_subjects
DEAD_LETTER, DEAD_LETTER_SUBJECT = NAMES.dead_letter, NAMES.dead_letter_subjects
OUTCOMES, OUTCOMES_SUBJECT = NAMES.outcomes, NAMES.outcomes_subjects
STATE = NAMES.state

retry_stream = NAMES.retry_stream
retry_subject = NAMES.retry_subject
