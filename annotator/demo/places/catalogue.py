"""What kinds of places a town has: their tags, how many, where they are, when they are open."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of place.

    Args:
        key: the table of its names, and of its chains.
        tags: what makes an OpenStreetMap object one of these.
        number: how many of five hundred places are of this kind.
        how: `unit` takes a part of a house, `house` a whole one, `kerb` stands beside a street, `shore` at the
            sea, `green` in a park; anything else is the use of a ground, which is then this place.
        where: what part of town attracts it; see `attraction.py`.
        hours: style of opening hours; empty for none. See `hours.py`.
        extras: which further details it may have; see `details.py`.
        once: there are never more than `number`, however large the town.
    """

    key: str
    tags: dict[str, str]
    number: float
    how: str
    where: str
    hours: str
    extras: str = ""
    once: bool = False


_TABLE = """
main_church         amenity=place_of_worship,building=church        1 church         -       worship     worship    once
townhall            amenity=townhall,building=civic                 1 town_hall      -       office      civic      once
station             railway=station,public_transport=station        1 rail           -       ticket      station    once
halt                railway=halt,public_transport=station           1 halt           -       -           station    once
hospital            amenity=hospital,healthcare=hospital            1 hospital       -       always      hospital   once
college             amenity=college                                 1 college        -       term        -          once
lighthouse          man_made=lighthouse                             1 lighthouse     -       visit       -          once
marina              leisure=marina                                  1 marina         -       -           marina     once
ferry_terminal      amenity=ferry_terminal                          1 ferry_terminal -       ferry       -          once
ferry_landing       amenity=ferry_terminal                          1 ferry_landing  -       ferry       -          once
beach               natural=beach                                   1 beach          -       -           beach      once
nature_reserve      leisure=nature_reserve                          1 nature_reserve -       -           -          once
park                leisure=park                                    1 park           -       daylight    park       once
sports_centre       leisure=sports_centre                           1 sports         -       sports      sports     once
camp_site           tourism=camp_site                               1 camp           -       summer      hostel     once
cemetery            landuse=cemetery                                1 cemetery       -       daylight    -          once
small_park          leisure=park                                    9 small_park     -       daylight    park
school              amenity=school                                  9 school         -       term        school
allotments          landuse=allotments                              3 allotments     -       -           -
parking             amenity=parking                                14 parking        -       -           parking
courthouse          amenity=courthouse,building=government          1 house          civic   office      civic      once
theatre             amenity=theatre,building=theatre                1 house          lively  box_office  stage      once
library             amenity=library,building=civic                  2 house          civic   library     library
police              amenity=police,building=government              1 house          civic   always      civic      once
fire_station        amenity=fire_station,building=fire_station      1 house          edge    always      civic      once
post_office         amenity=post_office,building=commercial         2 house          civic   post        post
department_store    shop=department_store,building=retail           1 house          core    department  shop       once
mall                shop=mall,building=retail                       1 house          retail  department  shop       once
supermarket         shop=supermarket,building=supermarket           7 house          local   supermarket super
doityourself        shop=doityourself,building=retail               1 house          retail  depot       shop
furniture           shop=furniture,building=retail                  2 house          retail  shop        shop
garden_centre       shop=garden_centre,building=retail              1 house          retail  depot       shop       once
car                 shop=car,building=retail                        2 house          edge    shop        shop
fuel                amenity=fuel,building=retail                    4 house          edge    fuel        fuel
car_wash            amenity=car_wash,building=commercial            2 house          edge    wash        -
hotel               tourism=hotel,building=hotel                    9 house          stay    reception   hotel
hostel              tourism=hostel                                  2 house          stay    reception   hostel
museum              tourism=museum,building=museum                  5 house          lively  museum      museum
aquarium            tourism=aquarium,building=museum                1 house          harbour museum      museum     once
cinema              amenity=cinema,building=cinema                  2 house          lively  cinema      stage
arts_centre         amenity=arts_centre,building=civic              1 house          lively  museum      stage      once
castle              historic=castle,building=castle                 1 house          harbour visit       -          once
casino              amenity=casino,building=commercial              1 house          seaside casino      -          once
clinic              amenity=clinic,healthcare=clinic                2 house          homes   clinic      doctor
social_facility     amenity=social_facility,social_facility=nursing_home  2 house          homes   always      care
kindergarten        amenity=kindergarten,building=kindergarten      7 house          homes   nursery     school
community_centre    amenity=community_centre,building=civic         3 house          homes   community   civic
place_of_worship    amenity=place_of_worship,building=church        5 house          homes   worship     worship
fitness_centre      leisure=fitness_centre,building=commercial      4 house          local   gym         sports
swimming_pool       leisure=swimming_pool,building=sports_hall      1 house          homes   pool        pool       once
marketplace         amenity=marketplace                             1 green          square  market      market     once
grocery_market      amenity=marketplace                             1 house          harbour fish_market market     once
government          office=government                               2 unit           civic   office      civic
restaurant          amenity=restaurant                             36 unit           lively  restaurant  food
cafe                amenity=cafe                                   22 unit           lively  cafe        cafe
bar                 amenity=bar                                     8 unit           night   bar         bar
pub                 amenity=pub                                     7 unit           night   bar         bar
nightclub           amenity=nightclub                               2 unit           night   club        -
biergarten          amenity=biergarten                              1 unit           harbour garden      bar
fast_food           amenity=fast_food                              13 unit           station fast        fast
ice_cream           amenity=ice_cream                               4 unit           seaside summer      ice
bakery              shop=bakery                                    11 unit           local   bakery      bakery
butcher             shop=butcher                                    4 unit           local   lunch_shop  shop
greengrocer         shop=greengrocer                                3 unit           local   lunch_shop  shop
seafood             shop=seafood                                    3 unit           harbour morning     shop
cheese              shop=cheese                                     1 unit           core    lunch_shop  shop
deli                shop=deli                                       2 unit           core    shop        shop
confectionery       shop=confectionery                              2 unit           core    shop        shop
wine                shop=wine                                       3 unit           core    late_shop   shop
tea                 shop=tea                                        1 unit           core    shop        shop
convenience         shop=convenience                                8 unit           homes   convenience shop
clothes             shop=clothes                                   11 unit           core    shop        shop
shoes               shop=shoes                                      4 unit           core    shop        shop
jewelry             shop=jewelry                                    3 unit           core    lunch_shop  shop
books               shop=books                                      4 unit           core    shop        shop
stationery          shop=stationery                                 2 unit           core    shop        shop
newsagent           shop=newsagent                                  5 unit           station news        shop
toys                shop=toys                                       2 unit           core    shop        shop
florist             shop=florist                                    5 unit           local   florist     shop
hairdresser         shop=hairdresser                               11 unit           local   hair        hair
beauty              shop=beauty                                     4 unit           local   hair        hair
chemist             shop=chemist                                    2 unit           core    supermarket shop
variety_store       shop=variety_store                              1 unit           retail  supermarket shop
optician            shop=optician                                   3 unit           core    shop        shop
bicycle             shop=bicycle                                    2 unit           local   lunch_shop  bike
electronics         shop=electronics                                3 unit           core    shop        shop
mobile_phone        shop=mobile_phone                               3 unit           core    shop        shop
hardware            shop=hardware                                   2 unit           local   lunch_shop  shop
gift                shop=gift                                       5 unit           harbour tourist     shop
sports              shop=sports                                     3 unit           core    shop        shop
pet                 shop=pet                                        2 unit           local   shop        shop
laundry             shop=laundry                                    2 unit           homes   laundry     -
dry_cleaning        shop=dry_cleaning                               2 unit           local   lunch_shop  -
travel_agency       shop=travel_agency                              2 unit           core    office_shop -
car_repair          shop=car_repair                                 4 unit           works   workshop    -
music               shop=musical_instrument                         1 unit           core    lunch_shop  shop
antiques            shop=antiques                                   2 unit           core    appointment shop
art                 shop=art                                        1 unit           core    lunch_shop  shop
second_hand         shop=second_hand                                1 unit           local   lunch_shop  shop
pharmacy            amenity=pharmacy,healthcare=pharmacy            9 unit           local   pharmacy    pharmacy
doctors             amenity=doctors,healthcare=doctor               8 unit           homes   doctor      doctor
dentist             amenity=dentist,healthcare=dentist              7 unit           homes   doctor      doctor
physiotherapist     healthcare=physiotherapist                      3 unit           homes   doctor      doctor
laboratory          healthcare=laboratory                           1 unit           civic   morning     doctor     once
veterinary          amenity=veterinary                              2 unit           homes   doctor      -
bank                amenity=bank                                    7 unit           core    bank        bank
bureau_de_change    amenity=bureau_de_change                        1 unit           core    tourist     -
tourist_information tourism=information,information=office          1 unit           core    tourist     -          once
guest_house         tourism=guest_house                             6 unit           seaside -           hostel
apartment           tourism=apartment                               3 unit           seaside -           -
gallery             tourism=gallery                                 3 unit           core    gallery     -
car_rental          amenity=car_rental                              2 unit           station office_shop -
driving_school      amenity=driving_school                          2 unit           local   evening     -
music_school        amenity=music_school                            1 unit           civic   evening     -          once
language_school     amenity=language_school                         1 unit           core    evening     -          once
dancing_school      leisure=dance,dance:teaching=yes                1 unit           local   evening     -
sailing_school      amenity=training,training=sailing               1 unit           harbour summer      -          once
lawyer              office=lawyer                                   4 unit           civic   appointment -
estate_agent        office=estate_agent                             3 unit           core    office_shop -
insurance           office=insurance                                2 unit           local   office      -
accountant          office=accountant                               2 unit           local   appointment -
architect           office=architect                                2 unit           civic   appointment -
newspaper           office=newspaper                                1 unit           civic   office      -          once
employment_agency   office=employment_agency                        1 unit           station office      -          once
ngo                 office=ngo                                      2 unit           harbour appointment -
tailor              craft=tailor                                    1 unit           local   lunch_shop  -
shoemaker           craft=shoemaker                                 2 unit           local   lunch_shop  -
carpenter           craft=carpenter                                 2 unit           works   workshop    -
brewery             craft=brewery                                   1 unit           works   evening     -          once
pottery             craft=pottery                                   1 unit           harbour lunch_shop  -
boatbuilder         craft=boatbuilder                               1 unit           harbour workshop    -          once
electrician         craft=electrician                               2 unit           works   workshop    -
plumber             craft=plumber                                   2 unit           works   workshop    -
atm                 amenity=atm                                     7 kerb           core    always      atm
bus_station         amenity=bus_station,public_transport=station    1 kerb           station ticket      -          once
taxi                amenity=taxi                                    3 kerb           station always      taxi
bicycle_rental      amenity=bicycle_rental                          5 kerb           lively  always      bikes
charging_station    amenity=charging_station                        7 kerb           local   always      charging
parcel_locker       amenity=parcel_locker                           3 kerb           local   always      -
toilets             amenity=toilets                                 5 kerb           lively  toilets     toilets
recycling           amenity=recycling                               3 kerb           homes   daylight    recycling
viewpoint           tourism=viewpoint                               5 shore          -       -           -
memorial            historic=memorial                               3 kerb           civic   -           memorial
artwork             tourism=artwork                                 6 kerb           lively  -           artwork
attraction          tourism=attraction                              3 kerb           harbour visit       -
monument            historic=monument                               1 green          square  -           memorial
fountain            amenity=fountain                                3 green          square  -           -
playground          leisure=playground                              8 green          park    -           playground
miniature_golf      leisure=miniature_golf                          1 green          park    summer      -          once
picnic_site         tourism=picnic_site                             2 green          park    -           -
"""


def _read(table: str) -> tuple[Kind, ...]:
    kinds = []
    for line in table.split("\n"):
        if line:
            key, tags, number, how, where, hours, extras, *rest = line.split()
            pairs = dict(tag.split("=") for tag in tags.split(","))
            kinds.append(Kind(key, pairs, float(number), how.replace("_", " "), where, hours, extras, "once" in rest))
    return tuple(kinds)


KINDS = _read(_TABLE)
"""Every kind of place; those that there are few sites for come first."""
