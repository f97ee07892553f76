use super::{PathPattern, Spelling};
use crate::policy::rule::fit::Fit;
use crate::request::path::NormalPath;
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

proptest! {
    #[test]
    fn any_text_is_a_pattern_or_refused(text in any::<String>()) {
        let root = NormalPath::parse(b"/").unwrap();
        let absolute = format!("/{text}");
        for text in [&text, &absolute] {
            for compile in [PathPattern::exact, PathPattern::prefix, PathPattern::template, PathPattern::regex] {
                match compile(text) {
                    Ok(pattern) => { pattern.fits(&root, Spelling::default()); }
                    Err(error) => prop_assert!(error.to_string().starts_with("expected ")),
                }
            }
        }
    }

    // Every kind of pattern agrees with the others on a plain path.
    #[test]
    fn a_path_fits_itself(path in "/[a-z%;.0-9]{0,6}(/[a-z~:]{0,4}){0,3}") {
        if let Ok(normal) = NormalPath::parse(path.as_bytes()) {
            let escaped = path.replace('.', r"\.");
            prop_assert_eq!(PathPattern::exact(&path).unwrap().fits(&normal, Spelling::default()), Fit::Yes);
            prop_assert_eq!(PathPattern::prefix(&path).unwrap().fits(&normal, Spelling::default()), Fit::Yes);
            if normal.matched() == path {
                prop_assert_eq!(PathPattern::template(&path).unwrap().fits(&normal, Spelling::default()), Fit::Yes);
                prop_assert_eq!(PathPattern::regex(&escaped).unwrap().fits(&normal, Spelling::default()), Fit::Yes);
            }
        }
    }

    // PTH-03
    #[test]
    fn a_prefix_means_whole_segments(prefix in "(/[ab]{1,2}){1,2}", path in "(/[ab]{1,2}){1,3}/?") {
        let fits = PathPattern::prefix(&prefix).unwrap().fits(&NormalPath::parse(path.as_bytes()).unwrap(), Spelling::default()) == Fit::Yes;
        let segments = |text: &str| text.split('/').map(ToOwned::to_owned).collect::<Vec<_>>();
        prop_assert_eq!(fits, segments(&path).starts_with(&segments(&prefix)));
    }

    // Alternatives and flags stay between the anchors.
    #[test]
    fn a_regular_expression_fits_whole_paths(
        pattern in r"(\(\?[imsx]\)|\^|/|a|b|\||\.|\*|\$|\(|\)|\?){0,8}", path in "/[ab]{0,3}(/[ab]{1,2})?"
    ) {
        let path = NormalPath::parse(path.as_bytes()).unwrap();
        if let Ok(compiled) = PathPattern::regex(&pattern)
            && compiled.fits(&path, Spelling::default()) == Fit::Yes
        {
            let anchored = regex_lite::Regex::new(&format!(r"\A(?:{pattern})\z")).unwrap();
            prop_assert!(anchored.is_match(path.as_str()));
        }
    }
}
