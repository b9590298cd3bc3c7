"""Promotions: what they take off which lines, and which of them are applied together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from domain.money import Money
from domain.pricing.lines import PricedLine
from domain.pricing.sharing import round_half_up, share

WHOLE = 10_000
"""A whole in basis points."""


@dataclass(frozen=True, slots=True)
class PercentOff:
    """A part of the price, in basis points (1 to 10,000)."""

    basis_points: int


@dataclass(frozen=True, slots=True)
class AmountOff:
    """An amount, once, and never more than the lines cost."""

    amount: Money


@dataclass(frozen=True, slots=True)
class BuyGet:
    """Of every `buy + get` units, dearest first, the cheapest `get` are `basis_points` cheaper (free by default)."""

    buy: int
    get: int
    basis_points: int = WHOLE


@dataclass(frozen=True, slots=True)
class FreeShipping:
    """Shipping costs nothing."""


Effect = PercentOff | AmountOff | BuyGet | FreeShipping


@dataclass(frozen=True, slots=True)
class Target:
    """What a promotion is about: these SKUs and all of these categories; everything when neither is named."""

    skus: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()

    def holds(self, line: PricedLine) -> bool:
        """Tell whether a line is meant."""
        everything = not self.skus and not self.categories
        return everything or line.sku in self.skus or not self.categories.isdisjoint(line.categories)


@dataclass(frozen=True, slots=True)
class Promotion:
    """A reason to pay less. `code` is what the buyer types, or the name of one that needs no typing (`automatic`).

    It applies from `starts_at` until before `ends_at`, to carts whose targeted lines cost `minimum` or more before any
    discount and are `minimum_quantity` units or more. One that does not combine is applied alone or not at all.
    """

    code: str
    effect: Effect
    target: Target = field(default_factory=Target)
    automatic: bool = False
    combines: bool = True
    priority: int = 0
    minimum: Money | None = None
    minimum_quantity: int = 0
    starts_at: datetime | None = None
    ends_at: datetime | None = None

    def is_on(self, at: datetime) -> bool:
        """Tell whether a moment is within its time."""
        return (self.starts_at is None or self.starts_at <= at) and (self.ends_at is None or at < self.ends_at)

    def speaks(self, currency: str) -> bool:
        """Tell whether its amounts, if it has any, are in a currency: none is ever converted."""
        amounts = [self.minimum, self.effect.amount if isinstance(self.effect, AmountOff) else None]
        return all(amount is None or amount.currency == currency for amount in amounts)


@dataclass(frozen=True, slots=True)
class AppliedPromotion:
    """What one promotion has taken off, in minor units, by line (in the order of the lines that were given)."""

    code: str
    by_line: tuple[int, ...]
    frees_shipping: bool = False

    @property
    def discount(self) -> int:
        """Sum up what it has taken off the lines."""
        return sum(self.by_line)


def offered(promotions: Sequence[Promotion], codes: frozenset[str], at: datetime) -> list[Promotion]:
    """Choose those that are on at a moment and either need no code or have theirs among the ones that were typed."""
    return [each for each in promotions if each.is_on(at) and (each.automatic or each.code in codes)]


def apply_best(
    lines: Sequence[PricedLine], promotions: Sequence[Promotion], shipping_price: Callable[[int], int | None]
) -> list[AppliedPromotion]:
    """Find the way to apply promotions that saves the buyer most, and return what each takes off.

    `shipping_price` tells what shipping costs for goods of a value, as free shipping saves just that; None where they
    can not be sent, which is a way only if there is no other. Of ways that save the same, the one that combines is
    taken, then the first by code. Lines have to be in order of their rank.
    """
    together = sorted((each for each in promotions if each.combines), key=_precedence)
    alone = sorted((each for each in promotions if not each.combines), key=_precedence)
    ways = [_apply(lines, way) for way in (together, *([each] for each in alone))]
    value = sum(line.amount for line in lines)

    def cost(way: Sequence[AppliedPromotion]) -> tuple[bool, int]:
        goods = value - sum(each.discount for each in way)
        carriage = shipping_price(goods)
        freed = any(each.frees_shipping for each in way)
        return carriage is None, goods + (0 if freed or carriage is None else carriage)

    return min(ways, key=cost)


def _precedence(promotion: Promotion) -> tuple[int, str]:
    return promotion.priority, promotion.code


def _apply(lines: Sequence[PricedLine], promotions: Sequence[Promotion]) -> list[AppliedPromotion]:
    left = [line.amount for line in lines]
    applied: list[AppliedPromotion] = []
    for promotion in promotions:
        if not _is_deserved(promotion, lines):
            continue
        taken = _taken(promotion, lines, left)
        left = [before - part for before, part in zip(left, taken, strict=True)]
        frees = isinstance(promotion.effect, FreeShipping)
        if frees or any(taken):
            applied.append(AppliedPromotion(promotion.code, tuple(taken), frees))
    return applied


def _is_deserved(promotion: Promotion, lines: Sequence[PricedLine]) -> bool:
    targeted = [line for line in lines if promotion.target.holds(line)]
    value = sum(line.amount for line in targeted)
    quantity = sum(line.quantity for line in targeted)
    minimum = promotion.minimum.amount if promotion.minimum else 0
    if not targeted or not promotion.speaks(targeted[0].unit_price.currency):
        return False
    return value >= minimum and quantity >= promotion.minimum_quantity


def _taken(promotion: Promotion, lines: Sequence[PricedLine], left: Sequence[int]) -> list[int]:
    """Tell what a promotion takes off each line: never more than is left of it."""
    eligible = [rest if promotion.target.holds(line) else 0 for line, rest in zip(lines, left, strict=True)]
    match promotion.effect:
        case PercentOff(basis_points):
            return share(round_half_up(sum(eligible) * basis_points, WHOLE), eligible)
        case AmountOff(amount):
            return share(min(amount.amount, sum(eligible)), eligible)
        case BuyGet() as offer:
            free = _free_units(offer, {i: lines[i].quantity for i, rest in enumerate(eligible) if rest})
            return [
                min(rest, round_half_up(free.get(i, 0) * lines[i].unit_price.amount * offer.basis_points, WHOLE))
                for i, rest in enumerate(eligible)
            ]
        case FreeShipping():
            return [0] * len(lines)


def _free_units(offer: BuyGet, quantities: Mapping[int, int]) -> dict[int, int]:
    """Count the units of each line that are cheaper, for lines that come dearest first."""
    size = offer.buy + offer.get

    def free_among_first(units: int) -> int:
        groups, rest = divmod(units, size)
        return groups * offer.get + max(0, rest - offer.buy)

    free: dict[int, int] = {}
    before = 0
    for index, quantity in quantities.items():
        free[index] = free_among_first(before + quantity) - free_among_first(before)
        before += quantity
    return free
