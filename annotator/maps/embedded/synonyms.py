"""Words by which people look for kinds of places: English, French, German, Spanish and Italian, singular and plural.

A kind is a canonical type (`categories.py`) or, for what has none, a tag of OpenStreetMap as `key=value`. Phrases are
separated by commas; the canonical type's own name is always one of them. Regular plurals of English, French and Spanish
are found without being listed (`singular_forms`).
"""

from collections.abc import Iterable, Mapping
from functools import cache

from annotator.maps.categories import CATEGORIES, categories_of_osm
from annotator.maps.embedded.folding import fold, telling

_TYPES = {
    "restaurant": "restaurant, eatery, dining, place to eat, Gaststätte, Gasthaus, Wirtshaus, restaurante, "
    "ristorante, ristoranti, trattoria, osteria, brasserie, bistro, food",
    "fast_food": "fast food, takeaway, take away, snack bar, restauration rapide, Imbiss, Schnellrestaurant, "
    "comida rápida, tavola calda",
    "cafe": "café, coffee shop, coffee house, coffee, tea room, salon de thé, Kaffeehaus, Kaffee, cafetería, caffè, "
    "caffetteria",
    "bar": "bar, cocktail bar, wine bar, bar à vin, Kneipe, Weinbar, Cocktailbar",
    "pub": "pub, tavern, beer house, Kneipe, Bierlokal, taberna, birreria",
    "nightclub": "nightclub, night club, club, disco, discotheque, boîte de nuit, discothèque, Nachtclub, Diskothek, "
    "discoteca, discoteche",
    "ice_cream": "ice cream, gelato, glacier, glace, Eisdiele, Eis, Eiscafé, heladería, helado, gelateria, gelaterie",
    "bakery": "bakery, bakeries, boulangerie, pâtisserie, pain, Bäckerei, Bäckereien, Bäcker, panadería, pastelería, "
    "panificio, forno, bread",
    "butcher": "butcher, boucherie, charcuterie, Metzgerei, Metzger, Fleischerei, carnicería, macelleria",
    "supermarket": "supermarket, grocery, groceries, grocery store, supermarché, hypermarché, Supermarkt, "
    "Supermärkte, supermercado, supermercato, supermercati",
    "convenience_store": "convenience store, corner shop, mini market, épicerie, superette, Tante-Emma-Laden, Späti, "
    "tienda de conveniencia, alimentari, minimarket",
    "greengrocer": "greengrocer, fruit, vegetables, primeur, fruits et légumes, Gemüseladen, Obst, frutería, "
    "verdulería, fruttivendolo, ortofrutta",
    "market": "market, marketplace, market place, marché, halles, Markt, Marktplatz, Markthalle, mercado, mercato, "
    "mercati",
    "shopping_mall": "shopping mall, mall, shopping centre, shopping center, centre commercial, galerie marchande, "
    "Einkaufszentrum, centro comercial, centro commerciale",
    "department_store": "department store, grand magasin, Kaufhaus, Warenhaus, grandes almacenes, grande magazzino",
    "clothing_store": "clothing store, clothes, clothing, fashion, boutique, vêtements, prêt-à-porter, mode, "
    "Kleidung, Bekleidung, Modegeschäft, ropa, moda, abbigliamento, vestiti",
    "shoe_store": "shoe store, shoes, shoe shop, chaussures, Schuhe, Schuhgeschäft, zapatería, zapatos, scarpe, "
    "calzature",
    "jewellery_store": "jewellery store, jewellery, jewelry, jeweller, jeweler, bijouterie, joaillerie, bijoutier, "
    "Juwelier, Schmuck, joyería, gioielleria",
    "book_store": "book store, bookstore, bookshop, book shop, books, librairie, livres, Buchhandlung, Bücher, "
    "librería, libros, libreria, libri",
    "stationery_store": "stationery store, stationery, papeterie, Schreibwaren, papelería, cartoleria",
    "newsagent": "newsagent, newspaper, kiosk, magazines, marchand de journaux, presse, kiosque, Zeitungen, quiosco, "
    "prensa, edicola, giornali",
    "toy_store": "toy store, toys, toy shop, jouets, magasin de jouets, Spielzeug, Spielwaren, juguetería, juguetes, "
    "giocattoli",
    "gift_shop": "gift shop, gifts, souvenirs, souvenir shop, cadeaux, Geschenke, Andenken, regalos, recuerdos, regali",
    "florist": "florist, flowers, flower shop, fleuriste, fleurs, Blumen, Blumenladen, floristería, flores, fioraio, "
    "fiori",
    "furniture_store": "furniture store, furniture, meubles, magasin de meubles, Möbel, Möbelhaus, muebles, "
    "mueblería, mobili, arredamento",
    "electronics_store": "electronics store, electronics, computers, phone shop, mobile phones, électronique, "
    "informatique, téléphonie, Elektronik, Handys, electrónica, informática, elettronica",
    "hardware_store": "hardware store, hardware, DIY, quincaillerie, bricolage, Baumarkt, Eisenwaren, ferretería, "
    "ferramenta",
    "sports_store": "sports store, sports shop, sporting goods, articles de sport, Sportgeschäft, "
    "tienda de deportes, articoli sportivi",
    "bicycle_store": "bicycle store, bike shop, bicycle shop, magasin de vélos, Fahrradladen, tienda de bicicletas, "
    "negozio di biciclette",
    "pet_store": "pet store, pet shop, pets, animalerie, Tierhandlung, Zoohandlung, tienda de mascotas, "
    "negozio di animali",
    "wine_store": "wine store, wine shop, wine, liquor store, off licence, alcohol, caviste, cave à vin, vin, "
    "Weinhandlung, Wein, vinoteca, vino, licorería, enoteca, vini",
    "hairdresser": "hairdresser, hair salon, barber, barbershop, coiffeur, coiffure, salon de coiffure, barbier, "
    "Friseur, Frisör, peluquería, barbería, parrucchiere, barbiere",
    "beauty_salon": "beauty salon, beauty, nail salon, nails, spa, institut de beauté, esthétique, Kosmetik, "
    "Kosmetikstudio, Nagelstudio, salón de belleza, centro estetico, estetista",
    "laundry": "laundry, launderette, laundromat, dry cleaner, dry cleaning, laverie, pressing, blanchisserie, "
    "Wäscherei, Reinigung, Waschsalon, lavandería, tintorería, lavanderia",
    "optician": "optician, glasses, eyewear, opticien, lunettes, optique, Optiker, Brillen, óptica, gafas, ottico, "
    "occhiali",
    "travel_agency": "travel agency, travel agent, agence de voyages, Reisebüro, agencia de viajes, agenzia viaggi, "
    "agenzia di viaggi",
    "estate_agent": "estate agent, real estate, realtor, property, agence immobilière, immobilier, Immobilien, "
    "Immobilienmakler, inmobiliaria, agenzia immobiliare, immobiliare",
    "pharmacy": "pharmacy, pharmacies, chemist, drugstore, pharmacie, Apotheke, Apotheken, farmacia, farmacie",
    "hospital": "hospital, emergency room, hôpital, hôpitaux, centre hospitalier, urgences, Krankenhaus, "
    "Krankenhäuser, Klinikum, hospitales, ospedale, ospedali",
    "clinic": "clinic, medical centre, medical center, clinique, centre médical, Klinik, clínica, clinica, "
    "poliambulatorio",
    "doctor": "doctor, doctors, physician, GP, médecin, docteur, cabinet médical, Arzt, Ärzte, Arztpraxis, médico, "
    "doctores, medico, medici",
    "dentist": "dentist, dentiste, Zahnarzt, Zahnärzte, dentista, dentisti",
    "veterinary": "veterinary, vet, veterinarian, animal hospital, vétérinaire, Tierarzt, veterinario",
    "bank": "bank, banque, Banken, Sparkasse, banco, banca, banche",
    "atm": "ATM, cash machine, cash point, cash, distributeur, distributeur de billets, DAB, Geldautomat, Bankomat, "
    "cajero, cajero automático, bancomat",
    "currency_exchange": "currency exchange, money exchange, bureau de change, Wechselstube, Geldwechsel, "
    "casa de cambio, cambio, cambiavalute",
    "post_office": "post office, post, mail, la poste, bureau de poste, Postamt, Postfiliale, correos, "
    "oficina de correos, ufficio postale, posta, poste",
    "police": "police, police station, commissariat, poste de police, gendarmerie, Polizei, Polizeirevier, policía, "
    "comisaría, polizia, carabinieri, questura",
    "fire_station": "fire station, fire brigade, fire department, caserne de pompiers, pompiers, Feuerwehr, "
    "Feuerwache, bomberos, parque de bomberos, vigili del fuoco, pompieri",
    "town_hall": "town hall, city hall, mairie, hôtel de ville, Rathaus, ayuntamiento, municipio, comune",
    "courthouse": "courthouse, court, law court, tribunal, palais de justice, Gericht, Amtsgericht, juzgado, tribunale",
    "embassy": "embassy, embassies, consulate, ambassade, consulat, Botschaft, Konsulat, embajada, consulado, "
    "ambasciata, consolato",
    "library": "library, libraries, bibliothèque, médiathèque, Bibliothek, Bücherei, biblioteca, biblioteche",
    "school": "school, école, collège, lycée, Schule, Schulen, Gymnasium, Grundschule, escuela, colegio, scuola, "
    "scuole, liceo",
    "kindergarten": "kindergarten, nursery, preschool, day care, crèche, école maternelle, maternelle, Kita, "
    "Kindertagesstätte, guardería, jardín de infancia, asilo, scuola materna",
    "university": "university, universities, université, faculté, Universität, Hochschule, universidad, università",
    "college": "college, higher education, Fachschule, instituto, istituto",
    "cinema": "cinema, movie theater, movie theatre, movies, cinéma, Kino, cine, multisala",
    "theatre": "theatre, theater, opera house, opera, théâtre, opéra, Theater, Oper, teatro, teatri, ópera",
    "museum": "museum, musée, Museen, museo, musei",
    "art_gallery": "art gallery, gallery, galleries, galerie d'art, galerie, Kunstgalerie, galería de arte, galería, "
    "galleria d'arte, galleria",
    "community_centre": "community centre, community center, centre culturel, maison de quartier, salle polyvalente, "
    "Gemeindezentrum, Bürgerhaus, centro cívico, centro comunitario, centro sociale",
    "place_of_worship": "place of worship, lieu de culte, Gotteshaus, lugar de culto, luogo di culto",
    "hotel": "hotel, hôtel, palace hotel, lodging, accommodation, Unterkunft, hoteles, albergo, alberghi, alojamiento",
    "hostel": "hostel, youth hostel, auberge de jeunesse, Jugendherberge, albergue, ostello",
    "guest_house": "guest house, guesthouse, bed and breakfast, B&B, chambre d'hôtes, maison d'hôtes, Pension, "
    "Gästehaus, casa de huéspedes, pensión, pensione, affittacamere",
    "apartment": "apartment, holiday apartment, holiday flat, appartement, Ferienwohnung, apartamento, appartamento",
    "campsite": "campsite, camping, camp site, campground, Campingplatz, Zeltplatz, campeggio",
    "tourist_information": "tourist information, tourist office, visitor centre, visitor center, office de tourisme, "
    "office du tourisme, Touristeninformation, Tourist Info, Fremdenverkehrsamt, oficina de turismo, "
    "ufficio turistico, informazioni turistiche",
    "attraction": "attraction, tourist attraction, sight, sights, landmark, site touristique, Sehenswürdigkeit, "
    "Sehenswürdigkeiten, atracción, atracciones, attrazione, attrazioni turistiche",
    "viewpoint": "viewpoint, view point, lookout, panorama, belvédère, point de vue, Aussichtspunkt, mirador, "
    "belvedere, punto panoramico",
    "zoo": "zoo, zoological garden, jardin zoologique, Tierpark, Tiergarten, zoológico, giardino zoologico",
    "aquarium": "aquarium, Aquarien, acuario, acquario",
    "theme_park": "theme park, amusement park, parc d'attractions, Freizeitpark, Vergnügungspark, "
    "parque de atracciones, parco divertimenti",
    "monument": "monument, memorial, statue, mémorial, Denkmal, Denkmäler, Gedenkstätte, monumento, monumenti",
    "castle": "castle, palace, fortress, château, palais, forteresse, Schloss, Burg, Palast, castillo, palacio, "
    "castello, palazzo",
    "park": "park, public park, parc, jardin public, Grünanlage, parque, parco, parchi",
    "garden": "garden, jardin, Garten, Gärten, botanical garden, jardín, giardino, giardini",
    "playground": "playground, aire de jeux, jeux pour enfants, Spielplatz, Spielplätze, parque infantil, parco giochi",
    "sports_centre": "sports centre, sports center, leisure centre, complexe sportif, centre sportif, gymnase, "
    "Sportzentrum, Sporthalle, polideportivo, centro deportivo, centro sportivo, palestra",
    "stadium": "stadium, stade, Stadion, estadio, stadio",
    "swimming_pool": "swimming pool, pool, piscine, Schwimmbad, Freibad, Hallenbad, piscina, piscine",
    "gym": "gym, fitness centre, fitness center, fitness, health club, salle de sport, Fitnessstudio, gimnasio, "
    "palestra",
    "golf_course": "golf course, golf club, golf, terrain de golf, Golfplatz, campo de golf, campo da golf",
    "marina": "marina, harbour, harbor, port, yacht harbour, port de plaisance, Hafen, Häfen, Yachthafen, puerto, "
    "puerto deportivo, porto, porto turistico",
    "beach": "beach, plage, Strand, Strände, playa, spiaggia, spiagge",
    "casino": "casino, gambling, Spielbank, Kasino, Spielcasino, casinò",
    "cemetery": "cemetery, cemeteries, graveyard, cimetière, Friedhof, Friedhöfe, cementerio, cimitero",
    "parking": "parking, car park, parking lot, parking garage, stationnement, Parkplatz, Parkplätze, Parkhaus, "
    "Tiefgarage, aparcamiento, estacionamiento, parcheggio, parcheggi",
    "bicycle_parking": "bicycle parking, bike parking, bike rack, parking vélos, Fahrradständer, Fahrradparkplatz, "
    "aparcamiento de bicicletas, parcheggio bici",
    "bicycle_rental": "bicycle rental, bike rental, bike sharing, bike hire, location de vélos, "
    "vélos en libre-service, Fahrradverleih, alquiler de bicicletas, noleggio bici, noleggio biciclette",
    "car_rental": "car rental, car hire, rent a car, location de voitures, Autovermietung, Mietwagen, "
    "alquiler de coches, noleggio auto, autonoleggio",
    "car_wash": "car wash, lavage auto, station de lavage, Autowäsche, Waschanlage, lavado de coches, autolavaggio",
    "car_repair": "car repair, auto repair, mechanic, garage automobile, garage, garagiste, Autowerkstatt, "
    "Werkstatt, taller mecánico, taller, autofficina, officina, meccanico",
    "car_dealer": "car dealer, car dealership, concessionnaire automobile, concessionnaire, Autohaus, Autohändler, "
    "concesionario, concessionaria, concessionario",
    "fuel_station": "fuel station, gas station, petrol station, filling station, petrol, gasoline, station-service, "
    "essence, Tankstelle, Tankstellen, gasolinera, estación de servicio, benzinaio, distributore di benzina, "
    "stazione di servizio",
    "charging_station": "charging station, EV charging, EV charger, charging point, borne de recharge, Ladestation, "
    "Ladesäule, punto de recarga, estación de carga, colonnina di ricarica, stazione di ricarica",
    "taxi_stand": "taxi stand, taxi, taxi rank, cab, station de taxis, Taxistand, parada de taxis, posteggio taxi",
    "bus_station": "bus station, coach station, gare routière, Busbahnhof, estación de autobuses, autostazione",
    "bus_stop": "bus stop, bus, arrêt de bus, arrêt, Bushaltestelle, Haltestelle, parada de autobús, parada, "
    "fermata autobus, fermata dell'autobus, fermata",
    "train_station": "train station, railway station, rail station, station, train, gare, gare ferroviaire, "
    "gare SNCF, Bahnhof, Bahnhöfe, Hauptbahnhof, estación de tren, estación, estación de ferrocarril, stazione, "
    "stazione ferroviaria, stazioni",
    "subway_station": "subway station, metro station, underground station, subway, metro, station de métro, métro, "
    "U-Bahnhof, U-Bahn, estación de metro, stazione della metropolitana, metropolitana",
    "tram_stop": "tram stop, tram, streetcar, arrêt de tram, tramway, Straßenbahnhaltestelle, Straßenbahn, "
    "parada de tranvía, tranvía, fermata del tram",
    "ferry_terminal": "ferry terminal, ferry, boat terminal, gare maritime, embarcadère, Fährhafen, Fähre, "
    "Fährterminal, terminal de ferry, transbordador, traghetto, imbarcadero",
    "airport": "airport, aerodrome, aéroport, Flughafen, Flugplatz, aeropuerto, aeroporto",
    "toilets": "toilets, toilet, public toilet, restroom, bathroom, WC, toilettes, toilettes publiques, Toilette, "
    "Toiletten, aseos, baños, servicios, bagni, bagno pubblico, gabinetti",
    "drinking_water": "drinking water, water fountain, water tap, eau potable, point d'eau, Trinkwasser, "
    "Trinkbrunnen, agua potable, acqua potabile",
    "bench": "bench, benches, banc, Sitzbank, banco, panchina",
    "recycling": "recycling, recycling point, recyclage, point de tri, conteneur, Altglas, Wertstoffhof, reciclaje, "
    "riciclaggio",
    "fountain": "fountain, fontaine, Brunnen, Springbrunnen, fuente, fontana, fontane",
    "public_art": "public art, artwork, sculpture, statue, mural, œuvre d'art, Kunstwerk, Skulptur, obra de arte, "
    "escultura, opera d'arte, scultura",
    "office": "office, company, bureau, bureaux, entreprise, Büro, Firma, oficina, empresa, ufficio, azienda",
    "industrial": "industrial, industrial area, zone industrielle, Industriegebiet, polígono industrial, "
    "zona industriale",
}

_TAGS = {
    "religion=christian": "church, churches, église, chapelle, Kirche, Kirchen, Kapelle, iglesia, capilla, chiesa, "
    "chiese, cappella, chapel",
    "religion=muslim": "mosque, mosquée, Moschee, mezquita, moschea",
    "religion=jewish": "synagogue, Synagoge, sinagoga",
    "religion=buddhist": "Buddhist temple, temple, temple bouddhiste, Tempel, templo, tempio",
    "religion=hindu": "Hindu temple, temple, temple hindou, Tempel, templo, tempio",
    "building=cathedral": "cathedral, cathédrale, Kathedrale, Dom, catedral, cattedrale, duomo",
    "aeroway=heliport": "heliport, héliport, Hubschrauberlandeplatz, helipuerto, eliporto, helicopter",
    "aeroway=helipad": "helipad, heliport, héliport, Hubschrauberlandeplatz, helipuerto, eliporto, helicopter",
    "aeroway=terminal": "airport terminal, terminal, aérogare",
    "place=square": "square, plaza, place, Platz, piazza",
    "seamark:type=harbour": "harbour, harbor, port, Hafen, puerto, porto",
    "man_made=lighthouse": "lighthouse, phare, Leuchtturm, faro",
    "man_made=pier": "pier, jetty, jetée, ponton, Steg, muelle, molo, pontile",
    "man_made=bridge": "bridge, pont, Brücke, puente, ponte",
    "man_made=tower": "tower, tour, Turm, torre",
    "natural=peak": "peak, summit, mountain, sommet, mont, Gipfel, Berg, cima, monte, vetta",
    "natural=water": "lake, pond, lac, étang, See, Teich, lago, laghetto",
    "natural=bay": "bay, baie, Bucht, bahía, baia",
    "natural=cave_entrance": "cave, grotte, Höhle, cueva, grotta",
    "waterway=river": "river, rivière, fleuve, Fluss, río, fiume",
    "historic=fort": "fort, fortress, Festung, fuerte, forte",
    "historic=ruins": "ruins, ruines, Ruine, ruinas, rovine",
    "amenity=prison": "prison, jail, Gefängnis, prisión, cárcel, prigione",
    "amenity=conference_centre": "conference centre, convention centre, centre de congrès, Kongresszentrum, "
    "centro de congresos, centro congressi",
    "amenity=arts_centre": "arts centre, arts center, centre d'art, Kulturzentrum, centro cultural, centro culturale",
    "amenity=social_facility": "social facility, nursing home, maison de retraite, Altenheim, Pflegeheim, residencia",
    "amenity=post_box": "post box, mailbox, letter box, boîte aux lettres, Briefkasten, buzón, buca delle lettere",
    "amenity=telephone": "telephone, phone box, cabine téléphonique, Telefonzelle, cabina telefónica",
    "amenity=driving_school": "driving school, auto-école, Fahrschule, autoescuela, autoscuola",
    "amenity=parking_entrance": "parking entrance, entrée de parking, Parkhauseinfahrt",
    "amenity=shower": "shower, douche, Dusche, ducha, doccia",
    "amenity=waste_basket": "waste basket, trash can, poubelle, Mülleimer, papelera, cestino",
    "shop=perfumery": "perfumery, perfume shop, parfumerie, Parfümerie, perfumería, profumeria",
    "shop=cosmetics": "cosmetics, cosmétiques, Drogerie, cosméticos, cosmetici",
    "shop=chemist": "drugstore, droguerie, Drogerie, droguería",
    "shop=watches": "watches, watch shop, horlogerie, montres, Uhren, relojería, orologeria",
    "shop=tobacco": "tobacco, tobacconist, tabac, Tabak, estanco, tabaccheria, tabacchi",
    "shop=confectionery": "confectionery, sweets, candy, confiserie, Süßwaren, dulces, caramelle",
    "shop=pastry": "pastry, pastry shop, cake shop, pâtisserie, Konditorei, pastelería, pasticceria",
    "shop=chocolate": "chocolate, chocolatier, chocolaterie, Schokolade, chocolatería, cioccolateria",
    "shop=cheese": "cheese, fromagerie, Käse, quesería, formaggi",
    "shop=seafood": "fish shop, fishmonger, seafood, poissonnerie, Fischgeschäft, pescadería, pescheria",
    "shop=deli": "deli, delicatessen, traiteur, épicerie fine, Feinkost, gastronomia",
    "shop=antiques": "antiques, antiquités, Antiquitäten, antigüedades, antiquariato",
    "shop=motorcycle": "motorcycle dealer, motorcycles, motos, Motorräder, motocicletas, moto",
    "shop=tailor": "tailor, couturier, Schneider, sastre, sartoria",
    "shop=photo": "photo shop, photographe, Fotogeschäft, fotografía, fotografo",
    "leisure=pitch": "sports pitch, pitch, sports field, terrain de sport, Sportplatz, campo deportivo, campo sportivo",
    "leisure=nature_reserve": "nature reserve, réserve naturelle, Naturschutzgebiet, reserva natural, riserva naturale",
    "leisure=dog_park": "dog park, parc à chiens, Hundewiese, parque canino, area cani",
    "leisure=water_park": "water park, parc aquatique, Wasserpark, parque acuático, parco acquatico",
    "sport=tennis": "tennis court, tennis, Tennisplatz, pista de tenis, campo da tennis",
    "sport=basketball": "basketball court, basketball, terrain de basket",
    "healthcare=laboratory": "laboratory, medical laboratory, laboratoire, Labor, laboratorio",
    "healthcare=physiotherapist": "physiotherapist, physiotherapy, kinésithérapeute, Physiotherapie, fisioterapia",
    "railway=subway_entrance": "subway entrance, metro entrance, bouche de métro, U-Bahn-Eingang",
    "highway=elevator": "elevator, lift, public lift, ascenseur, Aufzug, Fahrstuhl, ascensor, ascensore",
    "emergency=defibrillator": "defibrillator, AED, défibrillateur, Defibrillator, desfibrilador, defibrillatore",
    "highway=platform": "bus stop, bus, arrêt, Haltestelle, parada, fermata",
    "bus=yes": "bus stop, bus, arrêt, Haltestelle, parada, fermata",
    "cuisine=pizza": "pizza, pizzeria, pizzerie",
    "cuisine=burger": "burger, hamburger, burgers",
    "cuisine=sushi": "sushi",
    "cuisine=italian": "Italian, italien, italienisch, italiano",
    "cuisine=french": "French, français, französisch, francés, francese",
    "cuisine=chinese": "Chinese, chinois, chinesisch, chino, cinese",
    "cuisine=japanese": "Japanese, japonais, japanisch, japonés, giapponese",
    "cuisine=indian": "Indian, indien, indisch, indio, indiano",
    "cuisine=thai": "Thai, thaï, thailändisch, tailandés, tailandese",
    "cuisine=mexican": "Mexican, mexicain, mexikanisch, mexicano, messicano",
    "cuisine=lebanese": "Lebanese, libanais, libanesisch, libanés, libanese",
    "cuisine=seafood": "seafood, fruits de mer, poisson, Meeresfrüchte, Fisch, mariscos, frutti di mare, pesce, fish",
    "cuisine=steak_house": "steak house, steakhouse, steak, grill",
    "diet:vegetarian=yes": "vegetarian, végétarien, vegetarisch, vegetariano",
    "diet:vegan=yes": "vegan, végétalien, vegano",
    "internet_access=wlan": "wifi, wi-fi, internet, WLAN",
    "outdoor_seating=yes": "terrace, outdoor seating, terrasse, Terrasse, terraza, terrazza",
}

KIND_PHRASES: Mapping[str, tuple[tuple[str, ...], ...]] = {
    kind: tuple(dict.fromkeys(telling(fold(phrase)) for phrase in [*own_name, *words.split(",")]))
    for kind, words in (_TYPES | _TAGS).items()
    for own_name in [[CATEGORIES[kind].title] if kind in CATEGORIES else []]
}
"""Folded phrases of every kind, without stop words."""

KIND_WORDS: Mapping[str, frozenset[str]] = {
    kind: frozenset(word for phrase in phrases for word in phrase) for kind, phrases in KIND_PHRASES.items()
}
"""All words of every kind."""

_TAG_KEYS = frozenset(kind.partition("=")[0] for kind in _TAGS)


def kinds_of(tags: Mapping[str, str]) -> tuple[str, ...]:
    """Canonical types and known tags of an object, the types first."""
    found = [
        kind
        for key in sorted(_TAG_KEYS & tags.keys())
        for value in tags[key].split(";")
        if (kind := f"{key}={value.strip()}") in _TAGS
    ]
    return (*categories_of_osm(tags), *dict.fromkeys(found))


@cache
def _kinds_by_phrase() -> Mapping[frozenset[str], tuple[str, ...]]:
    found: dict[frozenset[str], list[str]] = {}
    for kind, phrases in KIND_PHRASES.items():
        for phrase in phrases:
            found.setdefault(frozenset(phrase), []).append(kind)
    return {words: tuple(dict.fromkeys(kinds)) for words, kinds in found.items()}


def kinds_of_phrase(words: Iterable[str]) -> tuple[str, ...]:
    """The kinds that this phrase means, in any order of its words; empty if it means none."""
    return _kinds_by_phrase().get(frozenset(words), ())


def singular_forms(word: str) -> tuple[str, ...]:
    """What a word may be the plural of, by the regular endings of English, French and Spanish; most likely first."""
    found = []
    if len(word) > 4 and word.endswith("ies"):
        found.append(word[:-3] + "y")
    if len(word) > 3 and word[-1] in "sx" and not word.endswith("ss"):
        found.append(word[:-1])
    if len(word) > 5 and word.endswith("aux"):
        found.append(word[:-3] + "al")
    if len(word) > 5 and word.endswith("es"):
        found.append(word[:-2])
    return tuple(found)
