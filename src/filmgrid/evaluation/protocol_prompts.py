"""Prompts for text-to-video on UCF-101: its classes, in equal shares."""

import re

from filmgrid.evaluation.protocol_spec import Prompt

CLASSES = """
ApplyEyeMakeup ApplyLipstick Archery BabyCrawling BalanceBeam BandMarching BaseballPitch
Basketball BasketballDunk BenchPress Biking Billiards BlowDryHair BlowingCandles
BodyWeightSquats Bowling BoxingPunchingBag BoxingSpeedBag BreastStroke BrushingTeeth
CleanAndJerk CliffDiving CricketBowling CricketShot CuttingInKitchen Diving Drumming Fencing
FieldHockeyPenalty FloorGymnastics FrisbeeCatch FrontCrawl GolfSwing Haircut HammerThrow
Hammering HandstandPushups HandstandWalking HeadMassage HighJump HorseRace HorseRiding HulaHoop
IceDancing JavelinThrow JugglingBalls JumpRope JumpingJack Kayaking Knitting LongJump Lunges
MilitaryParade Mixing MoppingFloor Nunchucks ParallelBars PizzaTossing PlayingCello PlayingDaf
PlayingDhol PlayingFlute PlayingGuitar PlayingPiano PlayingSitar PlayingTabla PlayingViolin
PoleVault PommelHorse PullUps Punch PushUps Rafting RockClimbingIndoor RopeClimbing Rowing
SalsaSpin ShavingBeard Shotput SkateBoarding Skiing Skijet SkyDiving SoccerJuggling
SoccerPenalty StillRings SumoWrestling Surfing Swing TableTennisShot TaiChi TennisSwing
ThrowDiscus TrampolineJumping Typing UnevenBars VolleyballSpiking WalkingWithDog WallPushups
WritingOnBoard YoYo
"""
"""The folders of UCF-101, in order."""
UCF101_CLASSES = tuple(CLASSES.split())


def in_words(name: str) -> str:
    """A class as a prompt: ``ApplyEyeMakeup`` is ``apply eye makeup``."""
    return re.sub(r"(?<!^)(?=[A-Z])", " ", name).lower()


def ucf101_prompts(num_clips: int = 2048) -> list[Prompt]:
    """So many clips in shares as equal as can be, the first classes getting one more."""
    least, more = divmod(num_clips, len(UCF101_CLASSES))
    return [
        Prompt(f"{name}/{number:02d}", in_words(name))
        for index, name in enumerate(UCF101_CLASSES)
        for number in range(least + (index < more))
    ]
