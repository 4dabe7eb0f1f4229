"""The papers' evaluations, one preset each.

GRID is arXiv:2412.10718. GriDiT is arXiv:2512.21276, of which only the released code could be read:
it has no evaluation, so its data and cells are followed and no number is quoted.
"""

from filmgrid.evaluation.protocol_prompts import ucf101_prompts
from filmgrid.evaluation.protocol_spec import Download, Figures, Place, Protocol, WeightsFile

I3D = WeightsFile(
    "i3d", ("i3d_torchscript.pt",), "I3D on Kinetics-400 as StyleGAN-V measures FVD, about 50 MB"
)
C3D = WeightsFile(
    "c3d",
    ("conv3d_deepnetA_ucf.npz", "mean2.npz"),
    "C3D on UCF-101 as TGAN2 measures the inception score",
)
CLIP = WeightsFile(
    "clip",
    ("clip-vit-large-patch14",),
    "CLIP ViT-L/14, a folder of openai/clip-vit-large-patch14 from the Hugging Face Hub, 1.7 GB",
    hub="openai/clip-vit-large-patch14",
)

DISTANCES = ("mmd-offline-gradients", "mmd-offline-motion")
"""Unbiased at any number of clips, and without download."""
ALONE = ("order", "frozen")

FVD_CHOICE = (
    "The paper names I3D and neither the preprocessing nor the number of clips: fvd is "
    "StyleGAN-V's fvd2048_16f, from real clips with a seeded start, leaving out shorter ones."
)
SQUARE = "The paper names no size: the middle square of every frame is brought to 256x256."

UCF101 = Download(
    name="UCF-101",
    page="https://www.crcv.ucf.edu/data/UCF101.php",
    size="6.5 GB (UCF101.rar)",
    licence="none stated; clips from YouTube, for research",
    unverified="size and licence",
    archives=("UCF101.rar", "UCF-101.zip", "UCF101.zip"),
)
UCF101_PLACES = tuple(
    Place(path, "CLASS/v_CLASS_gNN_cNN.avi: 101 folders of videos, or of folders of frames")
    for path in ("UCF-101", "UCF101/UCF-101", "UCF101", "ucf101/UCF-101", "ucf101")
)
UCF101_SPLIT = (
    "The paper names no split: all clips count, or those of a list named with --real-list, as "
    "trainlist01.txt."
)
UCF101_PROMPTS = (
    "The paper names no prompts: the class names in words, in equal shares (28 classes get one "
    "more)."
)


def _ucf101(name: str, frames: int, choices: tuple[str, ...], figures: Figures) -> Protocol:
    rows = int(frames**0.5)
    return Protocol(
        name=name,
        title=f"Text to video on UCF-101, {frames} frames",
        source="GRID, arXiv:2412.10718, Table 2",
        download=UCF101,
        places=UCF101_PLACES,
        num_real=13_320,
        num_made=2_048,
        frames=frames,
        start="random",
        size="256x256",
        fit="crop",
        metrics=("fvd", "is-video"),
        beside=(*DISTANCES, *ALONE),
        choices=(FVD_CHOICE, *choices, SQUARE, UCF101_SPLIT, UCF101_PROMPTS),
        figures=figures,
        naming="any; CLASS/NN.mp4 keeps 2,048 in order",
        making=f'filmgrid generate "apply eye makeup" --model MODEL --layout {rows}x{rows} '
        "--cell 256 --seed 0 --out GENERATED/ApplyEyeMakeup/00.mp4",
        weights=(I3D, C3D),
        prompts=ucf101_prompts,
    )


UNKNOWN_NUMBER = (
    "Neither the number of clips nor an interval is stated, and the bias of FVD hangs on that "
    "number: two samples of one distribution with 400 features are 476 apart at 100 clips and 39 "
    "at 2,048. A difference of tens means nothing by itself."
)

UCF101_16 = _ucf101(
    "ucf101-16",
    16,
    ("IS is C3D's on all 16 frames, 10 splits.",),
    Figures(
        ("fvd", "is-video"),
        (
            ("AnimateDiff v3", (464.1, 35.24)),
            ("VideoCrafter2", (424.2, 32.00)),
            ("OpenSora 1.2", (472.0, 39.07)),
            ("CogVideo 5B", (301.1, 36.27)),
            ("GRID, stage 1", (482.1, 32.46)),
            ("GRID, stages 1 and 2", (438.3, 36.56)),
            ("GRID", (418.9, 38.12)),
        ),
        ("GRID",),
        UNKNOWN_NUMBER,
    ),
)

UCF101_64 = _ucf101(
    "ucf101-64",
    64,
    (
        "How FVD and IS of 64 frames were taken is not stated: FVD looks at 16 consecutive frames "
        "from a seeded start in each clip, IS at the first 16.",
    ),
    Figures(
        ("fvd", "is-video"),
        (
            ("OpenSora 1.2", (1000.5, 37.11)),
            ("CogVideo 5B", (740.1, 34.82)),
            ("GRID, stage 1", (1003.2, 32.48)),
            ("GRID, stages 1 and 2", (994.6, 36.47)),
            ("GRID", (721.6, 36.63)),
        ),
        ("GRID",),
        UNKNOWN_NUMBER,
    ),
)

TIKTOK = Protocol(
    name="tiktok-100",
    title="Image to video on 100 TikTok videos, 16 frames",
    source="GRID, arXiv:2412.10718, Table 2",
    download=Download(
        name="TikTok dataset (Jafarian and Park)",
        page="https://www.yasamin.page/hdnet_tiktok",
        size="unknown; more than 300 dance videos as PNG frames of 1080x604",
        licence="on its page; people who can be recognised, for research",
        unverified="number, size and licence",
        archives=("TikTok_dataset.zip", "TikTok_dataset.tar.gz"),
    ),
    places=(
        Place("TikTok_dataset", "NNNNN/images/*.png: a folder of frames a video", "*/images"),
        Place("TikTok_dataset/TikTok_dataset", "the same, unpacked twice", "*/images"),
        Place("tiktok", "NAME.mp4, or NAME/*.png"),
    ),
    num_real=340,
    num_made=100,
    frames=16,
    start="first",
    size="256x256",
    fit="crop",
    metrics=("fvd", "clip-image"),
    beside=(*DISTANCES, *ALONE),
    choices=(
        "Which 100 videos were drawn is not published: the made clips decide by their names.",
        "The distance of frames is not stated: consecutive ones, or every n-th with --real-stride.",
        "CLIP_img is not defined: the cosine of the first real frame, which was given, with every "
        "made frame, ViT-L/14.",
        "fvd is StyleGAN-V's, of clips that begin with the given frame.",
        SQUARE,
    ),
    figures=Figures(
        ("fvd", "clip-image"),
        (
            ("AnimateDiff v3", (250.9, 0.9229)),
            ("CogVideo 5B", (122.5, 0.9185)),
            ("GRID, stage 1", (115.5, 0.9598)),
            ("GRID, stages 1 and 2", (104.6, 0.9695)),
            ("GRID", (93.7, 0.9709)),
        ),
        ("GRID",),
        "FVD of 100 clips: two samples of one distribution with 400 features are 476 apart at that "
        "number, so the published ones say little, and GRID was trained on this dataset.",
    ),
    naming="as the real videos: 00001.mp4",
    making="filmgrid generate --image DATA/TikTok_dataset/00001/images/0001.png --fit crop "
    "--model MODEL --layout 4x4 --cell 256 --seed 0 --out GENERATED/00001.mp4",
    weights=(I3D, CLIP),
)

VIEWS = Protocol(
    name="views-30x24",
    title="Multi-view of 30 Objaverse objects, 24 views",
    source="GRID, arXiv:2412.10718, Table 1",
    download=Download(
        name="Objaverse, rendered by Diffusion4D",
        page="https://huggingface.co/datasets/hw-liang/Diffusion4D, or objects of "
        "https://objaverse.allenai.org with the script of "
        "https://github.com/VITA-Group/Diffusion4D",
        size="30 objects are about 100 MB; the whole set is far larger",
        licence="Objaverse ODC-By 1.0, each object its own Creative Commons licence",
        unverified="size, licence, and how the archives of the dataset are laid out",
    ),
    places=(
        Place("views", "OBJECT/*.png: 24 views in order, 15 degrees apart, the front first"),
        Place("Diffusion4D", "OBJECT/multi_frame0.png to 23", pictures="multi_frame*"),
        Place(
            "Diffusion4D", "OBJECT/multi_static_frame0.png to 23", pictures="multi_static_frame*"
        ),
    ),
    num_real=30,
    num_made=30,
    frames=24,
    start="first",
    size="256x256",
    fit="resize",
    metrics=("fvd", "clip-front", "clip-orbit"),
    beside=(*DISTANCES, "identity", "loop"),
    choices=(
        "Which 30 objects were drawn is not published, nor whether they moved: the folder decides, "
        "and of Diffusion4D's renders the orbit of the moving object goes first.",
        "CLIP-F and CLIP-O follow Diffusion4D, which published no code of them: the cosine with "
        "the real view at the same place, of the front view and of all later ones, ViT-L/14.",
        "fvd is StyleGAN-V's, which looks at 16 consecutive of the 24 views.",
        "GRID enlarged its views to 1024 px; here both sides are measured at 256.",
    ),
    figures=Figures(
        ("clip-front", "clip-orbit", "fvd"),
        (
            ("text: Animate124", (0.7889, 0.6005, 411.6)),
            ("text: 4DFY", (0.8092, 0.6163, 390.4)),
            ("text: GRID, rank 16", (0.9060, 0.6189, 355.6)),
            ("text: GRID", (0.9427, 0.6247, 324.3)),
            ("image: STAG4D", (0.8803, 0.6420, 475.4)),
            ("image: 4DGen", (0.8724, 0.6397, 525.2)),
            ("image: GRID, rank 16", (0.9392, 0.6580, 333.7)),
            ("image: GRID", (0.9486, 0.6554, 350.6)),
        ),
        ("text: GRID", "image: GRID"),
        "FVD of 30 clips: two samples of one distribution with 400 features are 631 apart at 32, "
        "more than any published value, so it ranks nothing here. Use more objects.",
    ),
    naming="as the folder of the object: OBJECT.mp4",
    making='filmgrid generate "a white tiger in mid-stride with flowing muscles" --model MODEL '
    "--wording multi-view --layout 4x6 --cell 256 --seed 0 --out GENERATED/OBJECT.mp4",
    weights=(I3D, CLIP),
)

TRIPLETS = Protocol(
    name="ucf101-triplets",
    title="Frame interpolation on 379 triplets of UCF-101",
    source="GRID, arXiv:2412.10718, Table 3",
    download=Download(
        name="UCF-101 test triplets of Deep Voxel Flow",
        page="https://github.com/liuziwei7/voxel-flow (ucf101_interp_ours.zip)",
        size="unknown; 379 triplets of 256x256",
        licence="none stated; frames of UCF-101",
        unverified="that the link still works, and the licence",
        archives=("ucf101_interp_ours.zip", "ucf101_interp_ours.rar"),
    ),
    places=tuple(
        Place(path, "N/frame_00.png, frame_01_gt.png, frame_02.png", pictures="frame_01_gt.*")
        for path in ("ucf101_interp_ours", "UCF101/ucf101_interp_ours", "ucf101-triplets")
    ),
    num_real=379,
    num_made=379,
    frames=1,
    start="centre",
    size=None,
    fit="resize",
    metrics=("psnr", "ssim-matlab-3d"),
    beside=(),
    choices=(
        "The paper names the data and cites the methods; the set and the two formulas are those of "
        "the methods' own benchmarks: PSNR of each picture in 8 bits, then the mean; SSIM over "
        "11x11x11 of rows, columns and colours.",
        "Test-time augmentation is not stated; the EMA-VFI row is known with it.",
    ),
    figures=Figures(
        ("psnr", "ssim-matlab-3d"),
        (
            ("EMA-VFI", (35.48, 0.9701)),
            ("UPR-Net", (35.47, 0.9700)),
            ("VFIMamba", (35.45, 0.9702)),
            ("GRID", (35.48, 0.9700)),
        ),
        ("GRID",),
        "Without intervals, and the rows differ by 0.03 dB: compare two methods clip by clip with "
        "filmgrid compare.",
    ),
    naming="as the folder of the triplet: 1/frame_01.png, alone or between the two given frames",
    making="filmgrid generate --keyframe 0=DATA/ucf101_interp_ours/1/frame_00.png "
    "2=DATA/ucf101_interp_ours/1/frame_02.png --model MODEL --layout 1x3 --cell 256 --seed 0 "
    "--out GENERATED/1/",
)

GRIDIT = "GriDiT, arXiv:2512.21276 (released code)"
GRIDIT_CHOICES = (
    "The paper's text was not at hand, and its code has no evaluation: frames, cells and the "
    "resize that ignores the aspect are those of its training, 16 of 128x128 in a 4x4 grid.",
    "fvd is StyleGAN-V's fvd2048_16f against the training clips, as is usual for unconditional "
    "models.",
)
NO_FIGURES = Figures(weakness="No number of GriDiT is known here. Measure its method yourself.")


def _gridit(
    name: str,
    title: str,
    download: Download,
    places: tuple[Place, ...],
    num_real: int | None,
    foreign: tuple[str, str] | None = None,
) -> Protocol:
    return Protocol(
        name=name,
        title=title,
        source=GRIDIT,
        download=download,
        places=places,
        num_real=num_real,
        num_made=2_048,
        frames=16,
        start="random",
        size="128x128",
        fit="resize",
        metrics=("fvd",),
        beside=(*DISTANCES, *ALONE),
        choices=GRIDIT_CHOICES,
        figures=NO_FIGURES,
        naming="any, as 0000.mp4",
        making="filmgrid generate --model MODEL --layout 4x4 --cell 128 --seed 0 "
        "--out GENERATED/0000.mp4",
        weights=(I3D,),
        foreign=foreign,
    )


SKY = _gridit(
    "sky-16",
    "Time-lapse of skies, 16 frames",
    Download(
        name="SkyTimelapse (Xiong et al., CVPR 2018)",
        page="https://github.com/weixiong-ur/mdgan",
        size="unknown; frames of 360x640",
        licence="none stated; clips from YouTube",
        unverified="size, licence, and that the link on its page still works",
        archives=("sky_timelapse.zip",),
    ),
    tuple(
        Place(path, "VIDEO/CLIP/*.jpg: a folder of frames a clip")
        for path in (
            "sky_timelapse/sky_train",
            "sky_timelapse/sky_timelapse/sky_train",
            "SkyTimelapse/sky_train",
            "sky_train",
        )
    ),
    2_392,
)

TAICHI = _gridit(
    "taichi-16",
    "Tai chi, 16 frames",
    Download(
        name="TaiChi-HD (Siarohin et al., NeurIPS 2019)",
        page="https://github.com/AliaksandrSiarohin/video-preprocessing",
        size="unknown; its script fetches the videos from YouTube, of which some are gone",
        licence="none for the videos; the metadata as its repository",
        unverified="the number of clips that can still be fetched, size and licence",
    ),
    tuple(
        Place(path, "NAME.mp4, or NAME.mp4/*.png as its script writes them")
        for path in ("taichi/train", "taichi-256/train", "taichi-512/train", "Taichi/train")
    ),
    None,
)

CT = _gridit(
    "ct-slices",
    "Chest CT, 16 slices",
    Download(
        name="CT-RATE",
        page="https://huggingface.co/datasets/ibrahimhamamci/CT-RATE",
        size="terabytes; 25,692 volumes of 21,304 patients, tens of MB each",
        licence="CC BY-NC-SA 4.0, after agreeing to its terms; no part may be passed on",
        unverified="size",
    ),
    tuple(
        Place(path, "VOLUME/*.png: a folder of slices a volume, in order")
        for path in ("ct-slices", "CT-RATE/slices", "CT-RATE/dataset/train")
    ),
    25_692,
    (
        ".nii.gz",
        "volumes are not read: write each as a folder of slices, as the lines in docs/protocols.md "
        "do",
    ),
)

PROTOCOLS: dict[str, Protocol] = {
    each.name: each for each in (UCF101_16, UCF101_64, TIKTOK, VIEWS, TRIPLETS, SKY, TAICHI, CT)
}
