// A BM25 for `refimpl check --suite bm25 --bm25-variant lucene --command ./bm25` after
// `rustc -O --edition 2021 bm25.rs`: replace `scores` by yours. The parser reads objects whose values are strings,
// numbers and lists of strings; use serde_json for more.
use std::collections::HashMap;
use std::io::{self, BufRead};

/// One row per query with one score per document: Lucene's BM25; empty documents do not count.
fn scores(corpus: &[String], queries: &[String], k1: f64, b: f64) -> Vec<Vec<f64>> {
    let docs: Vec<HashMap<&str, f64>> = corpus.iter().map(|text| {
        let mut counts = HashMap::new();
        text.split_whitespace().for_each(|term| *counts.entry(term).or_insert(0.0) += 1.0);
        counts
    }).collect();
    let lengths: Vec<f64> = docs.iter().map(|doc| doc.values().sum()).collect();
    let size = lengths.iter().filter(|&&length| length > 0.0).count() as f64;
    let average = lengths.iter().sum::<f64>() / size.max(1.0);
    queries.iter().map(|query| {
        let mut row = vec![0.0; docs.len()];
        for term in query.split_whitespace() {
            let n = docs.iter().filter(|doc| doc.contains_key(term)).count() as f64;
            let idf = (1.0 + (size - n + 0.5) / (n + 0.5)).ln();
            for (i, doc) in docs.iter().enumerate() {
                if let Some(f) = doc.get(term) {
                    row[i] += idf * f / (f + k1 * (1.0 - b + b * lengths[i] / average));
                }
            }
        }
        row
    }).collect()
}

enum Json { Text, Number(f64), List(Vec<String>) }

struct Parser<'a> { chars: std::iter::Peekable<std::str::Chars<'a>> }

impl Parser<'_> {
    fn next(&mut self) -> char { self.chars.next().expect("JSON ends early") }

    fn peek(&mut self) -> char {
        while self.chars.peek().is_some_and(|c| c.is_ascii_whitespace() || *c == ',' || *c == ':') { self.chars.next(); }
        *self.chars.peek().expect("JSON ends early")
    }

    fn hex(&mut self) -> u32 { (0..4).fold(0, |sum, _| sum * 16 + self.next().to_digit(16).expect("a hex digit")) }

    fn text(&mut self) -> String {
        let mut text = String::new();
        self.next();
        loop {
            match self.next() {
                '"' => return text,
                '\\' => match self.next() {
                    'n' => text.push('\n'),
                    't' => text.push('\t'),
                    'r' => text.push('\r'),
                    'b' => text.push('\u{8}'),
                    'f' => text.push('\u{c}'),
                    'u' => {
                        let mut code = self.hex();
                        if (0xd800..0xdc00).contains(&code) { // a pair of surrogates
                            (self.next(), self.next());
                            code = 0x10000 + ((code - 0xd800) << 10) + self.hex() - 0xdc00;
                        }
                        text.push(char::from_u32(code).unwrap_or('\u{fffd}'));
                    }
                    other => text.push(other),
                },
                other => text.push(other),
            }
        }
    }

    fn value(&mut self) -> Json {
        match self.peek() {
            '"' => {
                self.text(); // the variant, which is not needed here
                Json::Text
            }
            '[' => {
                self.next();
                let mut list = Vec::new();
                while self.peek() != ']' { list.push(self.text()); }
                self.next();
                Json::List(list)
            }
            _ => {
                let mut digits = String::new();
                while self.chars.peek().is_some_and(|c| !",}] ".contains(*c)) { digits.push(self.next()); }
                Json::Number(digits.parse().expect("a number"))
            }
        }
    }
}

fn main() {
    for line in io::stdin().lock().lines() {
        let line = line.expect("UTF-8");
        let mut parser = Parser { chars: line.chars().peekable() };
        let mut one = HashMap::new();
        parser.next();
        while parser.peek() != '}' {
            let key = parser.text();
            one.insert(key, parser.value());
        }
        let list = |key: &str| match &one[key] { Json::List(list) => list.as_slice(), _ => panic!("{key}: a list") };
        let number = |key: &str| match &one[key] { Json::Number(number) => *number, _ => panic!("{key}: a number") };
        println!("{:?}", scores(list("corpus"), list("queries"), number("k1"), number("b")));
    }
}
