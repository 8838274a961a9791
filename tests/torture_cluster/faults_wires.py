"""Partitions of every shape, delay, loss and broken connections between nodes that all are well."""

from collections.abc import Iterable
from typing import Final

from torture_cluster.scene import Fault, Scene
from torture_cluster.wires import Pair, Weather, all_pairs, between, one_way, ring, star

PARTED_SECONDS: Final = 5.0
WEATHER_SECONDS: Final = 6.0


def _names(scene: Scene) -> list[str]:
    """The honest validators in an order by chance."""
    return [site.name for site in scene.choose(len(scene.validators))]


def _part(scene: Scene, what: str, groups: list[list[str]]) -> None:
    """Part the network into groups; the one with more than two thirds of the validators, if any, goes on."""
    names = [site.name for site in scene.validators]
    rest = [site.name for site in scene.honest if site.name not in names]
    groups[0] = groups[0] + rest  # observers stay with the first group
    scene.network.wires.hold(between(groups))
    scene.count(f"partition {what}")
    largest = max(groups, key=lambda group: len([name for name in group if name in names]))
    able = 3 * len([name for name in largest if name in names]) > 2 * len(names)
    inside = [site for site in scene.honest if site.name in largest]
    if able:
        scene.goes_on(inside)
        scene.halts(scene.others(inside), PARTED_SECONDS)
    else:
        scene.halts(scene.honest, PARTED_SECONDS)
    _open(scene)


def _hold(scene: Scene, what: str, pairs: Iterable[Pair]) -> None:
    """Block directions of which the network may or may not go on; all that counts is that nobody decides otherwise."""
    scene.network.wires.hold(pairs)
    scene.count(f"partition {what}")
    scene.lasting(PARTED_SECONDS)
    scene.comparison.absorb(scene.honest)
    _open(scene)


def _open(scene: Scene) -> None:
    """Open the lines; sometimes their connections have ended meanwhile."""
    if scene.random.random() < 0.5:
        scene.network.wires.cut()
    scene.network.wires.heal()


def part_one_from_three(scene: Scene) -> None:
    """One is alone."""
    names = _names(scene)
    _part(scene, "3 | 1", [names[1:], names[:1]])


def part_in_halves(scene: Scene) -> None:
    """Two and two: nobody can decide."""
    names = _names(scene)
    _part(scene, "2 | 2", [names[:2], names[2:]])


def part_all(scene: Scene) -> None:
    """Everybody is alone."""
    _part(scene, "1 | 1 | 1 | 1", [[name] for name in _names(scene)])


def part_in_a_ring(scene: Scene) -> None:
    """Each sees only two others."""
    _hold(scene, "ring", ring(_names(scene)))


def part_to_a_star(scene: Scene) -> None:
    """All see only one of them."""
    _hold(scene, "star", star(_names(scene)))


def mute_one(scene: Scene) -> None:
    """One hears everybody, and nobody hears it."""
    names = _names(scene)
    _hold(scene, "one way", one_way(names[0], names))


def part_again_and_again(scene: Scene) -> None:
    """Another shape every second."""
    for _ in range(6):
        names = _names(scene)
        shapes = [between([names[:1], names[1:]]), between([names[:2], names[2:]]), ring(names), star(names)]
        scene.network.wires.hold(scene.random.choice(shapes))
        scene.count("partition changing")
        scene.lasting(1.0)
    _open(scene)


def delay(scene: Scene) -> None:
    """Everything takes long, and not equally long."""
    slow = scene.random.uniform(0.02, 0.15)
    scene.network.wires.weather(Weather(slow, slow), all_pairs(_names(scene)))
    scene.count("delay")
    scene.goes_on(scene.honest)
    scene.lasting(WEATHER_SECONDS)


def lose(scene: Scene) -> None:
    """Pieces come late as if they had been lost and sent again."""
    scene.network.wires.weather(
        Weather(0.002, 0.002, scene.random.uniform(0.01, 0.05)), all_pairs(_names(scene))
    )
    scene.count("loss")
    scene.goes_on(scene.honest)
    scene.lasting(WEATHER_SECONDS)


def slow_one(scene: Scene) -> None:
    """One is far away."""
    names = _names(scene)
    pairs = [pair for pair in all_pairs(names) if names[0] in pair]
    scene.network.wires.weather(Weather(0.4, 0.2), pairs)
    scene.count("delay of one")
    scene.goes_on(scene.others([site for site in scene.honest if site.name == names[0]]))
    scene.lasting(WEATHER_SECONDS)


def cut_connections(scene: Scene) -> None:
    """All connections end at once, several times."""
    for _ in range(3):
        scene.network.wires.cut()
        scene.count("connections cut")
        scene.lasting(scene.random.uniform(0.2, 2.0))


WIRE_FAULTS: Final = (
    Fault("part_one", "partition three against one", part_one_from_three, 15),
    Fault("part_halves", "partition two against two", part_in_halves, 10),
    Fault("part_all", "everybody alone", part_all, 10),
    Fault("part_ring", "each sees two others", part_in_a_ring, 9),
    Fault("part_star", "all see only one", part_to_a_star, 9),
    Fault("part_one_way", "one is not heard", mute_one, 9),
    Fault("part_changing", "partitions that change", part_again_and_again, 11),
    Fault("delay", "delay", delay, 12),
    Fault("loss", "loss", lose, 12),
    Fault("delay_one", "one far away", slow_one, 12),
    Fault("cut", "connections cut", cut_connections, 8),
)
