//! Folder names, split into words: which ones name a split, masks, or nothing in particular.
//! Add a word here if a split folder's name is not recognized.

/// A split of a dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Split {
    Train,
    Validation,
    Test,
}

impl Split {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Train => "training",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

const TRAIN: [&str; 4] = ["train", "training", "trn", "trainval"];
const VALIDATION: [&str; 9] =
    ["val", "valid", "validation", "validate", "validating", "dev", "eval", "evaluation", "evaluating"];
const TEST: [&str; 6] = ["test", "testing", "tests", "tst", "holdout", "heldout"];
/// Words of other languages; they name splits only if the name has no other words.
const TRAIN_ABROAD: [&str; 10] = [
    "trainingsdaten",
    "trainingsbilder",
    "entrenamiento",
    "entrainement",
    "entraînement",
    "apprentissage",
    "treinamento",
    "treino",
    "addestramento",
    "allenamento",
];
const VALIDATION_ABROAD: [&str; 10] = [
    "validierung",
    "validierungsdaten",
    "validierungsbilder",
    "validacion",
    "validación",
    "validacao",
    "validação",
    "convalida",
    "validazione",
    "convalidazione",
];
const TEST_ABROAD: [&str; 7] = ["testdaten", "testbilder", "prueba", "pruebas", "teste", "testes", "essai"];
/// Words of other languages that do not describe the content.
const PLAIN_ABROAD: [&str; 19] = [
    "daten",
    "bilder",
    "fotos",
    "datos",
    "imagenes",
    "imágenes",
    "conjunto",
    "donnees",
    "données",
    "jeu",
    "ensemble",
    "dados",
    "imagens",
    "dati",
    "immagini",
    "de",
    "di",
    "du",
    "von",
];
/// Names beside splits for pictures of no split.
const UNUSED: [&str; 9] = [
    "pred",
    "predict",
    "prediction",
    "predictions",
    "unlabeled",
    "unlabelled",
    "extra",
    "submission",
    "inference",
];
/// Words that do not describe the content.
const PLAIN: [&str; 42] = [
    "data",
    "dataset",
    "datasets",
    "set",
    "sets",
    "image",
    "images",
    "img",
    "imgs",
    "picture",
    "pictures",
    "pic",
    "pics",
    "photo",
    "photos",
    "jpg",
    "jpeg",
    "jpegs",
    "png",
    "file",
    "files",
    "folder",
    "dir",
    "split",
    "part",
    "subset",
    "fold",
    "sample",
    "samples",
    "full",
    "all",
    "final",
    "raw",
    "clean",
    "new",
    "hr",
    "lr",
    "rgb",
    "large",
    "small",
    "resized",
    "jpegimages",
];
/// Words of folders with segmentation masks.
const MASKS: [&str; 34] = [
    "mask",
    "masks",
    "annotation",
    "annotations",
    "annot",
    "annots",
    "anno",
    "label",
    "labels",
    "lbl",
    "lbls",
    "gt",
    "groundtruth",
    "groundtruths",
    "truth",
    "segs",
    "segm",
    "segmentation",
    "segmentations",
    "segmentationclass",
    "segmentationobject",
    "semantic",
    "semantics",
    "trimap",
    "trimaps",
    "matte",
    "mattes",
    "alpha",
    "target",
    "targets",
    "labelmap",
    "labelmaps",
    "labelids",
    "instances",
];

/// The words of `name` in lower case: runs of letters or of digits; a capital within a word starts a new one.
pub(super) fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut before = ' ';
    for c in name.chars() {
        let joined =
            before.is_alphabetic() && c.is_alphabetic() && !(before.is_lowercase() && c.is_uppercase())
                || before.is_numeric() && c.is_numeric();
        if c.is_alphanumeric() {
            match words.last_mut() {
                Some(word) if joined => word.extend(c.to_lowercase()),
                _ => words.push(c.to_lowercase().collect()),
            }
        }
        before = c;
    }
    let mut single: Vec<String> = Vec::with_capacity(words.len());
    for word in words {
        match single.last().map(String::as_str) {
            // "held-out", "hold out", "ground truth"
            Some(last @ ("held" | "hold")) if word == "out" => {
                let both = format!("{last}out");
                single.pop();
                single.push(both);
            }
            _ => single.extend(parted(&word)),
        }
    }
    single
}

/// "trainset" as "train" and "set", "valannot" as "val" and "annot"; any other word unchanged.
fn parted(word: &str) -> Vec<String> {
    let ends = |rest: &str| PLAIN.contains(&rest) || MASKS.contains(&rest);
    let all = || TRAIN.iter().chain(&VALIDATION).chain(&TEST);
    let front = all().filter(|split| word.strip_prefix(*split).is_some_and(ends)).max_by_key(|s| s.len());
    if let Some(front) = front {
        return vec![(*front).to_owned(), word[front.len()..].to_owned()];
    }
    let back = all().filter(|split| word.strip_suffix(*split).is_some_and(ends)).max_by_key(|s| s.len());
    match back {
        Some(back) => vec![word[..word.len() - back.len()].to_owned(), (*back).to_owned()],
        None => vec![word.to_owned()],
    }
}

fn split_of(word: &str) -> Option<Split> {
    if TRAIN.contains(&word) {
        Some(Split::Train)
    } else if VALIDATION.contains(&word) {
        Some(Split::Validation)
    } else {
        TEST.contains(&word).then_some(Split::Test)
    }
}

/// The split named in another language, if the name has no other words.
fn split_abroad(words: &[String]) -> Option<Split> {
    let lists: [(Split, &[&str]); 3] =
        [(Split::Train, &TRAIN_ABROAD), (Split::Validation, &VALIDATION_ABROAD), (Split::Test, &TEST_ABROAD)];
    let of = |word: &String| {
        let abroad = lists.iter().find(|(_, list)| list.contains(&word.as_str()));
        abroad.map(|(split, _)| *split).or_else(|| split_of(word))
    };
    let says_nothing = |word: &&String| PLAIN_ABROAD.contains(&word.as_str());
    let mut telling = words.iter().filter(|word| !says_nothing(word) && !word.chars().all(char::is_numeric));
    let split = telling.next().and_then(of)?;
    telling.next().is_none().then_some(split)
}

/// The split of a two-letter name; it counts only beside others of its kind.
pub(super) fn split_of_two_letters(name: &str) -> Option<Split> {
    match name.to_lowercase().as_str() {
        "tr" => Some(Split::Train),
        "va" => Some(Split::Validation),
        "te" => Some(Split::Test),
        _ => None,
    }
}

/// The role that a folder's name suggests in a divided dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// A split. The other words of the name must occur with another split too.
    Split(Split, Vec<String>),
    /// Part of the dataset, but of no split.
    Unused,
    Other,
}

pub(super) fn use_of(name: &str) -> Use {
    let words = words(name);
    if let Some(split) = split_abroad(&words) {
        return Use::Split(split, Vec::new());
    }
    let splits: Vec<Split> = words.iter().filter_map(|word| split_of(word)).collect();
    let split = match splits.as_slice() {
        [] if words.iter().any(|word| UNUSED.contains(&word.as_str())) => return Use::Unused,
        [] => return Use::Other,
        [first, rest @ ..] if rest.iter().all(|split| split == first) => *first,
        // pictures for both are not held out
        [Split::Train, Split::Validation] => Split::Train,
        _ => return Use::Other,
    };
    let says = |word: &&String| {
        let number = word.chars().all(char::is_numeric);
        // the two test sets of a competition
        let shown = split == Split::Test && ["public", "private"].contains(&word.as_str());
        let plain = number || shown || PLAIN.contains(&word.as_str());
        split_of(word).is_none() && !plain && word.chars().count() > 1
    };
    let mut rest: Vec<String> = words.iter().filter(says).cloned().collect();
    rest.sort();
    Use::Split(split, rest)
}

/// Whether a folder's name does not describe the content: `images`, `train`, `data_2`.
pub(super) fn says_nothing(name: &str) -> bool {
    let words = words(name);
    words.iter().all(|word| PLAIN.contains(&word.as_str()) || word.chars().all(char::is_numeric))
        && words.iter().any(|word| PLAIN.contains(&word.as_str()))
}

/// Whether a folder's name suggests segmentation masks.
pub(super) fn may_be_masks(name: &str) -> bool {
    words(name).iter().any(|word| MASKS.contains(&word.as_str()))
}

/// Whether a name contains one of these words.
pub(super) fn has_word(name: &str, any: &[&str]) -> bool {
    words(name).iter().any(|word| any.contains(&word.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_splits() {
        let plain = |split| Use::Split(split, Vec::new());
        for name in
            ["train", "TRAIN", "Training Data", "training_set", "trainset", "trn", "train2017", "trainA"]
        {
            assert_eq!(use_of(name), plain(Split::Train), "{name}");
        }
        for name in
            ["TrainImages", "01_train", "train-images", "train_00", "trainval", "train+val", "traindata"]
        {
            assert_eq!(use_of(name), plain(Split::Train), "{name}");
        }
        for name in
            ["val", "valid", "Validation", "dev", "eval", "val2017", "validation_set", "valset", "imgval"]
        {
            assert_eq!(use_of(name), plain(Split::Validation), "{name}");
        }
        for name in ["test", "Testing Data", "testB", "holdout", "held-out", "hold_out", "tst", "test_images"]
        {
            assert_eq!(use_of(name), plain(Split::Test), "{name}");
        }
        for name in ["valley", "Valencia", "Devon", "trains", "testament", "valleys", "contest", "evaluator"]
        {
            assert_eq!(use_of(name), Use::Other, "{name}");
        }
        assert_eq!(use_of("seg_train"), Use::Split(Split::Train, vec!["seg".into()]));
        assert_eq!(use_of("training-shoes"), Use::Split(Split::Train, vec!["shoes".into()]));
        assert_eq!(use_of("test tubes"), Use::Split(Split::Test, vec!["tubes".into()]));
        assert_eq!(use_of("seg_pred"), Use::Unused);
        assert_eq!(use_of("train_test"), Use::Other);
    }

    #[test]
    fn names_of_masks() {
        assert!(
            ["masks", "gtFine", "trainannot", "SegmentationClass", "train_labels", "Ground Truth"]
                .iter()
                .all(|name| may_be_masks(name))
        );
        assert!(!["images", "maskerade", "labrador", "Segovia"].iter().any(|name| may_be_masks(name)));
        assert!(
            says_nothing("images")
                && says_nothing("data_2")
                && !says_nothing("2019")
                && !says_nothing("Lake")
        );
    }
}
