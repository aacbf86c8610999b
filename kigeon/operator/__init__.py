"""What an operator can ask of a running kigeon, through a socket in its dataDir that only its owner may open.

The root listens, and gives each connection to a process of its own, which has what it needs for one request: the
settings, the queue's address, the cluster. It reads one JSON object, answers with one, piece by piece, and ends. So
nothing is held in memory for questions that nobody asks, and never more than :mod:`kigeon.operator.memory` allows.
Everything but ``replay`` and ``drop`` is answered from what is durable; those two are the sender's own to do, and are
asked of it through the queue's server.
"""
