from proffer.models.rankers.blend import Blend
from proffer.models.rankers.boosted import LambdaRank, Pointwise
from proffer.models.rankers.linear import LinearHeuristic, LinearRanker
from proffer.testing import RankerContract


class TestBlend(RankerContract):
    make = Blend


class TestLinearHeuristic(RankerContract):
    def make(self):
        return LinearHeuristic({"signal": (2.0, "identity"), "noise": (0.1, "log1p"), "sparse": (1.0, "identity")})


class TestLinearRanker(RankerContract):
    make = LinearRanker
    learns = True


class TestLambdaRank(RankerContract):
    make = LambdaRank
    learns = True


class TestPointwise(RankerContract):
    make = Pointwise
    learns = True
