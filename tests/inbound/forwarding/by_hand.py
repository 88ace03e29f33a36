"""``told_wsgi`` with the gate put in by hand, for servers that are not ours: the home is ``MUTUA_HOME``."""

from mutua.wsgi import KnownClients
from tests.inbound.forwarding.told_wsgi import app as told

app = KnownClients(told)
