//! Files into a store and out of it again, interruptions included.

#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise, their fixtures too")]

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use openclaw_protocol::RatingRules;
use openclaw_rating::transfer::{
    Advance, BadRow, Format, ImportError, ImportSettings, Observer, RatingWriter, Source, Summary, check,
    export, import,
};
use openclaw_store::{Store, StoreSettings};

/// Notes what it is told, and ends the import after so many batches.
#[derive(Default)]
struct Notes {
    bad: Vec<(u64, String)>,
    advances: Vec<Advance>,
    unrecorded: Vec<String>,
    batches_max: Option<usize>,
}

impl Observer for Notes {
    fn bad_row(&mut self, _: &Source, row: &BadRow) {
        self.bad.push((row.line, row.reason.clone()));
    }

    fn advanced(&mut self, advance: &Advance) -> ControlFlow<()> {
        self.advances.push(*advance);
        match self.batches_max {
            Some(most) if self.advances.len() >= most => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }

    fn unrecorded(&mut self, _: &Source, reason: &io::Error) {
        self.unrecorded.push(reason.to_string());
    }
}

struct Bench {
    folder: tempfile::TempDir,
    store: Store,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store"), StoreSettings::default()).unwrap();
        Self { folder, store }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    async fn import(&self, path: &Path, resume: bool, notes: &mut Notes) -> Result<Summary, ImportError> {
        let source = Source { path: Some(path.to_owned()), format: Format::of_path(path).unwrap() };
        import(&self.store, &source, &settings(), resume, notes).await
    }

    async fn exported(&self, format: Format) -> String {
        let mut writer = RatingWriter::new(Vec::new(), format);
        let summary = export(&self.store, &mut writer, |_| ControlFlow::Continue(())).await.unwrap();
        assert!(summary.complete);
        String::from_utf8(writer.finish().unwrap()).unwrap()
    }
}

fn settings() -> ImportSettings {
    ImportSettings { rules: RatingRules::default(), arrival_ms: 1_700_000_000_000, batch_max: 10 }
}

/// Sorted lines: the order of users is the store's own.
fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    lines
}

/// `count` ratings of different items, a second apart.
fn dat(count: u64) -> String {
    (0..count).map(|n| format!("{}::{n:07}::{}::{}\n", n % 7, n % 11, 1_400_000_000 + n)).collect()
}

#[tokio::test]
async fn every_format_comes_back_as_it_went_in() {
    let bench = Bench::new();
    let path = bench.file("ratings.dat", &dat(95));
    let mut notes = Notes::default();
    let summary = bench.import(&path, false, &mut notes).await.unwrap();
    assert_eq!((summary.ratings, summary.lines, summary.bad, summary.complete), (95, 95, 0, true));
    assert_eq!(notes.advances.last().unwrap().bytes, dat(95).len() as u64);
    assert_eq!(sorted(&bench.exported(Format::MovieTweetings).await), sorted(&dat(95)));
    for (format, name) in [(Format::Csv, "copy.csv"), (Format::NdJson, "copy.ndjson")] {
        let written = bench.exported(format).await;
        let copy = Bench::new();
        let path = copy.file(name, &written);
        assert_eq!(copy.import(&path, false, &mut Notes::default()).await.unwrap().ratings, 95);
        assert_eq!(copy.exported(format).await, written);
        assert_eq!(copy.store.recount().await.unwrap(), bench.store.recount().await.unwrap());
    }
}

#[tokio::test]
async fn an_interrupted_import_goes_on_where_it_was() {
    let bench = Bench::new();
    let path = bench.file("ratings.dat", &dat(95));
    let mut notes = Notes { batches_max: Some(3), ..Notes::default() };
    let first = bench.import(&path, true, &mut notes).await.unwrap();
    assert_eq!((first.ratings, first.complete), (30, false));
    assert_eq!(bench.store.ratings_total().await.unwrap(), 30);

    let mut notes = Notes::default();
    let second = bench.import(&path, true, &mut notes).await.unwrap();
    assert_eq!((second.resumed_after_line, second.ratings, second.complete), (Some(30), 95, true));
    assert_eq!(notes.advances.first().unwrap().ratings, 40, "the first thirty are not put again");
    assert_eq!(bench.store.ratings_total().await.unwrap(), 95);
    let left: Vec<_> =
        std::fs::read_dir(bench.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "a finished import leaves nothing beside its file: {left:?}");

    let again = bench.import(&path, true, &mut Notes::default()).await.unwrap();
    assert_eq!((again.resumed_after_line, again.ratings), (None, 95), "repeating it is harmless");
    assert_eq!(bench.store.ratings_total().await.unwrap(), 95);
}

#[tokio::test]
async fn without_resume_an_import_begins_at_the_beginning_and_a_changed_file_is_refused() {
    let bench = Bench::new();
    let path = bench.file("ratings.dat", &dat(95));
    let interrupt = || Notes { batches_max: Some(2), ..Notes::default() };
    bench.import(&path, false, &mut interrupt()).await.unwrap();
    let anew = bench.import(&path, false, &mut interrupt()).await.unwrap();
    assert_eq!((anew.resumed_after_line, anew.ratings), (None, 20));
    bench.file("ratings.dat", &dat(95).replace("::5::", "::6::"));
    let refused = bench.import(&path, true, &mut Notes::default()).await.unwrap_err();
    assert!(refused.to_string().contains("has changed since"), "{refused}");
}

#[tokio::test]
async fn bad_lines_are_named_and_counted_and_the_good_ones_stored() {
    let bench = Bench::new();
    let path = bench.file("ratings.dat", &format!("{}nonsense\n9::film::99::1\n", dat(12)));
    let mut notes = Notes::default();
    let summary = bench.import(&path, false, &mut notes).await.unwrap();
    assert_eq!((summary.ratings, summary.bad), (12, 2));
    assert_eq!(notes.bad.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [13, 14]);
    assert!(notes.bad[1].1.contains("must lie in 0 to 10"), "{:?}", notes.bad);
    let mut found = 0;
    check(&path, Format::MovieTweetings, &settings(), |_| found += 1).unwrap();
    assert_eq!(found, 2, "checking finds the same and stores nothing");
}

#[tokio::test]
async fn an_older_rating_is_counted_as_superseded() {
    let bench = Bench::new();
    let path = bench.file("ratings.dat", "1::film::8::200\n1::film::3::100\n");
    let summary = bench.import(&path, false, &mut Notes::default()).await.unwrap();
    assert_eq!((summary.ratings, summary.superseded), (2, 1));
    assert_eq!(bench.store.item("film").await.unwrap().unwrap().mean, 8.0);
}

#[tokio::test]
async fn failures_say_which_file_and_why() {
    let bench = Bench::new();
    let missing = bench.folder.path().join("missing.csv");
    let failed = bench.import(&missing, false, &mut Notes::default()).await.unwrap_err().to_string();
    assert!(failed.contains("missing.csv: cannot be read"), "{failed}");
    let path = bench.file("ratings.dat", &dat(95));
    bench.store.close().await;
    let failed = bench.import(&path, false, &mut Notes::default()).await.unwrap_err().to_string();
    assert!(
        failed.ends_with("the ratings up to line 10 could not be stored: the store is closed"),
        "{failed}"
    );
}
