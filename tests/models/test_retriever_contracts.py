from proffer.models.retrievers.active import Active
from proffer.models.retrievers.als import ALS
from proffer.models.retrievers.bpr import BPR
from proffer.models.retrievers.cold import ColdItems, SegmentPopularity
from proffer.models.retrievers.content import Content
from proffer.models.retrievers.covisits import Covisits
from proffer.models.retrievers.ease import EASE
from proffer.models.retrievers.gfcf import GFCF
from proffer.models.retrievers.itemknn import ItemKNN
from proffer.models.retrievers.lar import LAR
from proffer.models.retrievers.markov import Markov
from proffer.models.retrievers.newest import Newest
from proffer.models.retrievers.nmf import NMF
from proffer.models.retrievers.popularity import DecayedPopularity
from proffer.models.retrievers.trending import Trending
from proffer.testing import RetrieverContract


class TestDecayedPopularity(RetrieverContract):
    make = DecayedPopularity


class TestNewest(RetrieverContract):
    make = Newest


class TestCovisits(RetrieverContract):
    make = Covisits


class TestContent(RetrieverContract):
    make = Content


class TestItemKNNCosine(RetrieverContract):
    make = ItemKNN


class TestItemKNNBM25(RetrieverContract):
    def make(self):
        return ItemKNN("bm25")


class TestSegmentPopularity(RetrieverContract):
    make = SegmentPopularity


class TestColdItems(RetrieverContract):
    make = ColdItems


class TestTrending(RetrieverContract):
    make = Trending


class TestActive(RetrieverContract):
    make = Active


class TestEASE(RetrieverContract):
    make = EASE


class TestGFCF(RetrieverContract):
    make = GFCF


class TestLAR(RetrieverContract):
    make = LAR


class TestMarkov(RetrieverContract):
    make = Markov


class TestALS(RetrieverContract):
    make = ALS


class TestBPR(RetrieverContract):
    make = BPR


class TestNMF(RetrieverContract):
    make = NMF
