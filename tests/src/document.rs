//! Programs in the documentation, so that a test runs exactly what a reader copies.

use std::fs;
use std::path::Path;

/// The code blocks of a language in a Markdown file of this repository, in order.
///
/// # Panics
/// When the file cannot be read.
#[must_use]
pub fn code_blocks(file: &str, language: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    let markdown =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    blocks(&markdown, language)
}

fn blocks(markdown: &str, language: &str) -> Vec<String> {
    let opening = format!("```{language}");
    let (mut found, mut current) = (Vec::new(), None::<String>);
    for line in markdown.lines() {
        match &mut current {
            Some(_) if line == "```" => found.extend(current.take()),
            Some(block) => {
                block.push_str(line);
                block.push('\n');
            }
            None if line == opening => current = Some(String::new()),
            None => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::blocks;

    #[test]
    fn blocks_of_the_language_are_found_and_others_are_not() {
        let markdown = "a\n```python\nx = 1\n\ny\n```\n```js\nno\n```\n```python\nz\n```\n";
        assert_eq!(blocks(markdown, "python"), ["x = 1\n\ny\n", "z\n"]);
        assert!(blocks(markdown, "rust").is_empty());
    }
}
