import unittest

import flow
import servers


class Spring(flow.Journey, unittest.TestCase):
    kind = servers.Spring
