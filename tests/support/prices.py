"""Rules of prices to test against: promotions, taxes and shipping, written as the staff's routes write them."""

import json
from dataclasses import dataclass
from uuid import UUID

from models.columns import new_id
from tests.support.shop import Shop

Bands = list[list[int | None]]


@dataclass
class Prices:
    """Writes rules into one shop. They hold for every cart of its database, so a test that has some has its own."""

    shop: Shop

    async def promotion(self, code: str, effect: str = "percent", **columns: object) -> UUID:
        """Add a promotion: by default 10% off everything for whoever types its code."""
        promotion = new_id()
        row = {
            "id": promotion,
            "code": code,
            "label": f"Label of {code}",
            "automatic": False,
            "active": True,
            "combines": True,
            "priority": 0,
            "effect": effect,
            "basis_points": 1000 if effect == "percent" else 10_000 if effect == "buy_get" else None,
            **columns,
        }
        await self._insert("promotions", row)
        return promotion

    async def tax(self, country: str = "GB", *, region: str = "", **rule: object) -> UUID:
        """Add the tax of a country: by default 20% on what is standard, added to the prices."""
        tax = new_id()
        row = {
            "id": tax,
            "country": country,
            "region": region,
            "name": "VAT",
            "included": False,
            "rounding": "line",
            "rates": json.dumps({"standard": 200_000}),
            **rule,
        }
        await self._insert("tax_rules", row, documents={"rates"})
        return tax

    async def zone(self, *countries: str) -> UUID:
        """Add a zone; without countries it is everywhere else."""
        zone = new_id()
        await self._insert("shipping_zones", {"id": zone, "name": f"Zone {zone.hex[-12:]}"})
        for country in countries or ("*",):
            await self._insert("shipping_zone_countries", {"country": country, "zone_id": zone})
        return zone

    async def method(
        self, zone: UUID, code: str, bands: Bands, *, measure: str = "value", currency: str = "GBP"
    ) -> None:
        """Add a way to send parcels to a zone; bands are `[up to, amount]`."""
        row = {
            "zone_id": zone,
            "currency": currency,
            "code": code,
            "name": f"Name of {code}",
            "position": 0,
            "measure": measure,
            "bands": json.dumps(bands),
            "tax_category": "standard",
        }
        await self._insert("shipping_methods", row, documents={"bands"})

    async def clear(self) -> None:
        """Forget every rule; promotions stay where orders speak of them, and are not on."""
        await self.shop.run("DELETE FROM shipping_zones")
        await self.shop.run("DELETE FROM tax_rules")
        await self.shop.run("UPDATE promotions SET active = false")

    async def uses(self, promotion: UUID) -> object:
        [[uses]] = await self.shop.run("SELECT uses FROM promotions WHERE id = :id", id=promotion)
        return uses

    async def _insert(
        self, table: str, row: dict[str, object], documents: frozenset[str] | set[str] = frozenset()
    ) -> None:
        row = {name: value for name, value in row.items() if value is not None}
        values = ", ".join(f"CAST(:{name} AS jsonb)" if name in documents else f":{name}" for name in row)
        await self.shop.run(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({values})", **row)
