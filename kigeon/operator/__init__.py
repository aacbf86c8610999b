"""What an operator can ask of a running kigeon, through a socket in its dataDir that only its owner may open.

The root listens, and starts a process for each connection with what one request needs: the settings, the queue's
address, the cluster. The process reads one JSON object, answers with one, piece by piece, and ends. So no memory is
held between requests, and a request takes no more than :mod:`kigeon.operator.memory` allows.
Most commands read only durable records; ``replay``, ``drop`` and ``resend`` ask the sender to act, through the queue's
server.
"""
