"""The offline map: an OpenStreetMap extract made into a provider that needs no network and no key."""
