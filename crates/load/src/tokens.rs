//! Tokens of the devices that are played.

use std::fmt;

use wire::{TOKEN_BYTES, is_token_shaped};

/// The token of one device; `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Reads a token: 32 characters.
    ///
    /// # Errors
    /// When the text has not the shape of a token.
    pub fn parse(text: &str) -> Result<Self, ReadTokensError> {
        if is_token_shaped(text.as_bytes()) {
            return Ok(Self(text.to_owned()));
        }
        Err(ReadTokensError::Shape { line_number: 1 })
    }

    /// Returns the token itself, for sending or for a file that only its owner reads.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// At least one token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens(Vec<Token>);

/// Why tokens could not be read. No text shows a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadTokensError {
    /// A line is no token.
    #[error("line {line_number} is not a token of 32 characters")]
    Shape {
        /// Counted from 1.
        line_number: usize,
    },
    /// There is nothing to log in with.
    #[error("there is no token; make some with `rehome load devices`")]
    Empty,
}

impl Tokens {
    /// Reads one token a line; empty lines are skipped.
    ///
    /// # Errors
    /// When a line is no token or there is none.
    pub fn read(text: &str) -> Result<Self, ReadTokensError> {
        let mut tokens = Vec::new();
        for (line_number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() {
                continue;
            }
            let shape = |_shape| ReadTokensError::Shape { line_number };
            tokens.push(Token::parse(line).map_err(shape)?);
        }
        if tokens.is_empty() { Err(ReadTokensError::Empty) } else { Ok(Self(tokens)) }
    }

    /// Makes up tokens for a server that asks for none in particular, such as the floor server or an open broker.
    #[must_use]
    pub fn made_up(count: usize) -> Self {
        Self(
            (0..count.max(1))
                .map(|index| Token(format!("load{index:0>width$}", width = TOKEN_BYTES - 4)))
                .collect(),
        )
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// Returns the token of device `index`; starts over when there are fewer.
    pub(crate) fn of(&self, index: usize) -> &Token {
        // Invariant: never empty; both constructors see to it.
        static NONE: Token = Token(String::new());
        let nth = index.checked_rem(self.0.len()).unwrap_or(0);
        self.0.get(nth).unwrap_or(&NONE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_the_line_that_is_no_token_and_shows_nothing_of_it() {
        let good = Tokens::made_up(2);
        let text = format!("{}\n\n {} \n", good.of(0).expose(), good.of(1).expose());
        assert_eq!(Tokens::read(&text), Ok(good));
        let error = Tokens::read(&format!("{text}almost-a-secret\n")).unwrap_err();
        assert_eq!(error, ReadTokensError::Shape { line_number: 4 });
        assert!(!error.to_string().contains("almost"));
        assert_eq!(Tokens::read("\n"), Err(ReadTokensError::Empty));
    }

    #[test]
    fn made_up_tokens_have_the_shape_of_a_token_and_differ() {
        let tokens = Tokens::made_up(3);
        assert!(is_token_shaped(tokens.of(0).expose().as_bytes()));
        assert_ne!(tokens.of(0), tokens.of(1));
        assert_eq!(tokens.of(0), tokens.of(3));
        assert_eq!(format!("{:?}", tokens.of(0)), "[redacted]");
    }
}
