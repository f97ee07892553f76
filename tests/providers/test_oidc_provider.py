import unittest

import flow
import servers


class OidcProvider(flow.Journey, unittest.TestCase):
    kind = servers.OidcProvider
