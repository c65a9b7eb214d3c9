from proffer.models.retrievers.active import Active
from proffer.models.retrievers.cold import ColdItems, SegmentPopularity
from proffer.models.retrievers.content import Content
from proffer.models.retrievers.covisits import Covisits
from proffer.models.retrievers.itemknn import ItemKNN
from proffer.models.retrievers.newest import Newest
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
