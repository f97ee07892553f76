import unittest

import flow
import servers


class Keycloak(flow.Journey, unittest.TestCase):
    kind = servers.Keycloak
