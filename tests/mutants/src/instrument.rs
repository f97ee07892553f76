//! Puts all mutants of a source file into its text. Each can be chosen by its number when the tests run.

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, BinOp, Block, Expr, ReturnType, Signature, Stmt, UnOp};

/// A small change to a source file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mutant {
    /// The file, below `src/engine`.
    pub file: String,
    /// The line of the change, in the file as it is.
    pub line: usize,
    /// The function, with the type that it belongs to.
    pub function: String,
    /// What is changed into what.
    pub change: String,
    /// The code that is changed, on one line.
    pub code: String,
}

/// The text of a file with all mutants of it, which are numbered from `first`; and what they are.
pub fn instrument(file: &str, text: &str, first: usize) -> syn::Result<(String, Vec<Mutant>)> {
    let parsed = syn::parse_file(text)?;
    let mut finder = Finder {
        file,
        text,
        first,
        owner: Vec::new(),
        functions: Vec::new(),
        mutants: Vec::new(),
        edits: Vec::new(),
    };
    finder.visit_file(&parsed);
    Ok((edited(text, finder.edits), finder.mutants))
}

/// The names of the modules of a file that are compiled for tests only, and are files of their own.
pub fn test_modules(text: &str) -> syn::Result<Vec<String>> {
    let items = syn::parse_file(text)?.items;
    let of_tests = |item: &syn::Item| match item {
        syn::Item::Mod(one) if one.content.is_none() && is_for_tests(&one.attrs) => {
            Some(one.ident.to_string())
        }
        _ => None,
    };
    Ok(items.iter().filter_map(of_tests).collect())
}

/// A text in place of a range of bytes. At the same place, the order is that in which the edits are made.
type Edit = (usize, usize, String);

fn edited(text: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|(start, ..)| *start);
    let mut out = String::with_capacity(text.len() * 2);
    let mut at = 0;
    for (start, end, new) in edits {
        out.push_str(&text[at..start]);
        out.push_str(&new);
        at = end;
    }
    out.push_str(&text[at..]);
    out
}

struct Finder<'a> {
    file: &'a str,
    text: &'a str,
    first: usize,
    /// The types whose `impl` this is.
    owner: Vec<String>,
    functions: Vec<String>,
    mutants: Vec<Mutant>,
    edits: Vec<Edit>,
}

impl Finder<'_> {
    /// A new mutant: the expression that says whether it is the chosen one.
    fn mutant(&mut self, at: Span, change: impl Into<String>, code: &str) -> String {
        let number = self.first + self.mutants.len();
        self.mutants.push(Mutant {
            file: self.file.to_owned(),
            line: at.start().line,
            function: [self.owner.as_slice(), self.functions.as_slice()].concat().join("::"),
            change: change.into(),
            code: one_line(code),
        });
        format!("crate::mutants::on({number})")
    }

    fn code(&self, of: &impl Spanned) -> &str {
        &self.text[of.span().byte_range()]
    }

    fn before(&mut self, of: &impl Spanned, text: &str) {
        let start = of.span().byte_range().start;
        self.edits.push((start, start, text.to_owned()));
    }

    fn after(&mut self, of: &impl Spanned, text: &str) {
        let end = of.span().byte_range().end;
        self.edits.push((end, end, text.to_owned()));
    }

    fn instead(&mut self, of: &impl Spanned, text: String) {
        let range = of.span().byte_range();
        self.edits.push((range.start, range.end, text));
    }

    /// A function's body: it returns at once.
    fn body(&mut self, signature: &Signature, block: &Block) {
        if block.stmts.is_empty() {
            return;
        }
        let whole = one_line(self.code(block));
        let start = block.brace_token.span.open().byte_range().end;
        for value in values(&signature.output) {
            if whole == format!("{{ {value} }}") {
                continue;
            }
            let change =
                if value.is_empty() { "body → nothing".to_owned() } else { format!("body → {value}") };
            let on = self.mutant(signature.ident.span(), change, "");
            self.edits.push((start, start, format!(" if {on} {{ return {value}; }}")));
        }
    }

    fn function(&mut self, attributes: &[Attribute], signature: &Signature, block: &Block) {
        if is_for_tests(attributes) || signature.constness.is_some() {
            return;
        }
        self.functions.push(signature.ident.to_string());
        self.body(signature, block);
        self.visit_block(block);
        self.functions.pop();
    }

    /// An expression that is a condition: of `if`, a guard, or a part of a chain with `let`.
    fn condition(&mut self, condition: &Expr, values: &[bool]) {
        match condition {
            Expr::Let(one) => self.visit_expr(&one.expr),
            Expr::Binary(both) if has_let(condition) => {
                self.condition(&both.left, values);
                self.condition(&both.right, values);
            }
            Expr::Binary(both) if matches!(both.op, BinOp::And(_) | BinOp::Or(_)) => {
                self.visit_expr(condition)
            }
            _ => self.fixed(condition, values),
        }
    }

    /// A boolean expression: it is one of these values.
    fn fixed(&mut self, expression: &Expr, values: &[bool]) {
        let code = self.code(expression).to_owned();
        let (mut open, mut close) = (String::new(), String::new());
        for value in values {
            let on = self.mutant(expression.span(), format!("→ {value}"), &code);
            open.push_str("((");
            close.push_str(&if *value { format!(") || {on})") } else { format!(") && !{on})") });
        }
        self.before(expression, &open);
        self.visit_expr(expression);
        self.after(expression, &close);
    }

    /// A boolean expression: it is the opposite. What is in it has been visited.
    fn opposite(&mut self, expression: &Expr, change: &str, inside: impl FnOnce(&mut Self)) {
        let code = self.code(expression).to_owned();
        let on = self.mutant(expression.span(), change, &code);
        self.before(expression, "((");
        inside(self);
        self.after(expression, &format!(") != {on})"));
    }

    /// `&&` and `||`: one for the other, and without one of the two sides.
    fn lazy(&mut self, both: &syn::ExprBinary, is_and: bool) {
        let whole = self.code(both).to_owned();
        let on = self.mutant(both.op.span(), if is_and { "&& → ||" } else { "|| → &&" }, &whole);
        self.before(both, "({ let left = ");
        self.operand(&both.left, is_and);
        let compare = if is_and { "!=" } else { "==" };
        self.instead(&both.op, format!("; if left {compare} {on} {{"));
        self.operand(&both.right, is_and);
        self.after(both, "} else { left } })");
    }

    fn operand(&mut self, operand: &Expr, is_and: bool) {
        match operand {
            Expr::Binary(inner) if matches!(inner.op, BinOp::And(_) | BinOp::Or(_)) => {
                self.visit_expr(operand)
            }
            _ => self.fixed(operand, &[is_and]),
        }
    }

    /// `f(a, b)` in place of `a < b` and of `a.min(b)`.
    fn call(
        &mut self,
        name: &str,
        change: &str,
        whole: &Expr,
        (left, right): (&Expr, &Expr),
        by: (&str, &str),
    ) {
        let code = self.code(whole).to_owned();
        let on = self.mutant(whole.span(), change, &code);
        self.before(whole, &format!("crate::mutants::{name}({on}, {}", by.0));
        self.visit_expr(left);
        let (end, start) = (left.span().byte_range().end, right.span().byte_range().start);
        self.edits.push((end, start, format!("{}, {}", by.1, by.0)));
        self.visit_expr(right);
        let end = right.span().byte_range().end;
        self.edits.push((end, whole.span().byte_range().end, format!("{})", by.1)));
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_for_tests(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let of = item.trait_.as_ref().and_then(|(_, path, _)| path.segments.last());
        let is_text = of.is_some_and(|name| name.ident == "Debug" || name.ident == "Display");
        if !is_text && !is_for_tests(&item.attrs) {
            let name = match &*item.self_ty {
                syn::Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
                _ => None,
            };
            self.owner.push(name.unwrap_or_default());
            item.items.iter().for_each(|one| self.visit_impl_item(one));
            self.owner.pop();
        }
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.owner.push(item.ident.to_string());
        item.items.iter().for_each(|one| self.visit_trait_item(one));
        self.owner.pop();
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.attrs, &item.sig, &item.block);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.attrs, &item.sig, &item.block);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.function(&item.attrs, &item.sig, block);
        }
    }

    fn visit_stmt(&mut self, statement: &'ast Stmt) {
        match statement {
            Stmt::Expr(Expr::Try(check), Some(_)) if check.attrs.is_empty() => {
                let code = self.code(check).to_owned();
                let on = self.mutant(check.span(), "without ?", &code);
                self.before(check, "{ let result = ");
                self.visit_expr(&check.expr);
                self.instead(
                    &check.question_token,
                    format!("; if {on} {{ drop(result); }} else {{ result?; }} }}"),
                );
            }
            _ => visit::visit_stmt(self, statement),
        }
    }

    fn visit_expr_binary(&mut self, both: &'ast syn::ExprBinary) {
        let whole = Expr::Binary(both.clone());
        let sides = (&*both.left, &*both.right);
        let inside = |finder: &mut Self| visit::visit_expr_binary(finder, both);
        match both.op {
            BinOp::And(_) => self.lazy(both, true),
            BinOp::Or(_) => self.lazy(both, false),
            BinOp::Eq(_) => self.opposite(&whole, "== → !=", inside),
            BinOp::Ne(_) => self.opposite(&whole, "!= → ==", inside),
            // The compiler makes a slice of such a reference to an array, but not where it is an argument.
            _ if matches!(sides, (Expr::Reference(_), _) | (_, Expr::Reference(_))) => inside(self),
            BinOp::Lt(_) => self.call("less", "< → <=", &whole, sides, ("&(", ")")),
            BinOp::Le(_) => self.call("at_most", "<= → <", &whole, sides, ("&(", ")")),
            BinOp::Gt(_) => self.call("more", "> → >=", &whole, sides, ("&(", ")")),
            BinOp::Ge(_) => self.call("at_least", ">= → >", &whole, sides, ("&(", ")")),
            BinOp::BitAnd(_) | BinOp::BitOr(_) | BinOp::BitXor(_) => {
                for side in [sides.0, sides.1] {
                    match side {
                        // Of a number.
                        Expr::Unary(not) if matches!(not.op, UnOp::Not(_)) => self.visit_expr(&not.expr),
                        _ => self.visit_expr(side),
                    }
                }
            }
            _ => inside(self),
        }
    }

    fn visit_expr_unary(&mut self, unary: &'ast syn::ExprUnary) {
        let whole = Expr::Unary(unary.clone());
        match unary.op {
            UnOp::Not(_) => self.opposite(&whole, "without !", |finder| finder.visit_expr(&unary.expr)),
            _ => visit::visit_expr_unary(self, unary),
        }
    }

    fn visit_expr_if(&mut self, one: &'ast syn::ExprIf) {
        self.condition(&one.cond, &[true, false]);
        self.visit_block(&one.then_branch);
        if let Some((_, otherwise)) = &one.else_branch {
            self.visit_expr(otherwise);
        }
    }

    /// A loop that never ends tells nothing.
    fn visit_expr_while(&mut self, one: &'ast syn::ExprWhile) {
        self.condition(&one.cond, &[false]);
        self.visit_block(&one.body);
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        if let Some((_, guard)) = &arm.guard {
            self.condition(guard, &[true, false]);
        }
        self.visit_expr(&arm.body);
    }

    fn visit_expr_macro(&mut self, one: &'ast syn::ExprMacro) {
        if one.mac.path.is_ident("matches") {
            self.opposite(&Expr::Macro(one.clone()), "matches → does not match", |_| {});
        }
    }

    fn visit_expr_lit(&mut self, one: &'ast syn::ExprLit) {
        if let syn::Lit::Bool(value) = &one.lit {
            let change = format!("{} → {}", value.value, !value.value);
            self.opposite(&Expr::Lit(one.clone()), &change, |_| {});
        }
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        let whole = Expr::MethodCall(call.clone());
        let name = call.method.to_string();
        let (change, by) = match name.as_str() {
            "min" => ("min → max", ("", "")),
            "max" => ("max → min", ("", "")),
            "is_some_and" => ("is_some_and → is_none_or", ("", "")),
            "is_none_or" => ("is_none_or → is_some_and", ("", "")),
            _ => return visit::visit_expr_method_call(self, call),
        };
        match call.args.first() {
            Some(argument) => self.call(&name, change, &whole, (&call.receiver, argument), by),
            None => visit::visit_expr_method_call(self, call),
        }
    }

    fn visit_expr_repeat(&mut self, one: &'ast syn::ExprRepeat) {
        self.visit_expr(&one.expr);
    }

    // What is computed when it is compiled, or is no expression.
    fn visit_item_const(&mut self, _: &'ast syn::ItemConst) {}
    fn visit_item_static(&mut self, _: &'ast syn::ItemStatic) {}
    fn visit_item_enum(&mut self, _: &'ast syn::ItemEnum) {}
    fn visit_impl_item_const(&mut self, _: &'ast syn::ImplItemConst) {}
    fn visit_trait_item_const(&mut self, _: &'ast syn::TraitItemConst) {}
    fn visit_expr_const(&mut self, _: &'ast syn::ExprConst) {}
    fn visit_attribute(&mut self, _: &'ast Attribute) {}
    fn visit_type(&mut self, _: &'ast syn::Type) {}
    fn visit_pat(&mut self, _: &'ast syn::Pat) {}
    fn visit_generics(&mut self, _: &'ast syn::Generics) {}
    fn visit_path(&mut self, _: &'ast syn::Path) {}
}

/// What a function may return at once.
fn values(output: &ReturnType) -> Vec<&'static str> {
    let ReturnType::Type(_, output) = output else { return vec![""] };
    let path = match &**output {
        syn::Type::Path(path) => &path.path,
        syn::Type::Tuple(tuple) if tuple.elems.is_empty() => return vec![""],
        _ => return Vec::new(),
    };
    let Some(last) = path.segments.last() else { return Vec::new() };
    let first = match &last.arguments {
        syn::PathArguments::AngleBracketed(arguments) => match arguments.args.first() {
            Some(syn::GenericArgument::Type(one)) => Some(one),
            _ => None,
        },
        _ => None,
    };
    let is_unit = matches!(first, Some(syn::Type::Tuple(tuple)) if tuple.elems.is_empty());
    let is_impl = matches!(first, Some(syn::Type::ImplTrait(_)));
    match last.ident.to_string().as_str() {
        "bool" => vec!["true", "false"],
        "Result" if is_unit => vec!["Ok(())"],
        "Result" if is_bool(first) => vec!["Ok(true)", "Ok(false)"],
        "Option" if is_bool(first) => vec!["None", "Some(true)", "Some(false)"],
        "Option" if !is_impl => vec!["None"],
        "Vec" if !is_impl => vec!["Vec::new()"],
        "u8" | "u16" | "u32" | "u64" | "usize" | "i64" => vec!["0"],
        _ => Vec::new(),
    }
}

fn is_bool(one: Option<&syn::Type>) -> bool {
    matches!(one, Some(syn::Type::Path(path)) if path.path.is_ident("bool"))
}

fn has_let(expression: &Expr) -> bool {
    match expression {
        Expr::Let(_) => true,
        Expr::Binary(both) if matches!(both.op, BinOp::And(_)) => has_let(&both.left) || has_let(&both.right),
        _ => false,
    }
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|one| match &one.meta {
        syn::Meta::List(list) if list.path.is_ident("cfg") => {
            let tokens = list.tokens.to_string();
            tokens == "test" || tokens.starts_with("all (test") || tokens.starts_with("all(test")
        }
        _ => false,
    })
}

/// On one line, and not for ever.
fn one_line(code: &str) -> String {
    let line = code.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= 140 { line } else { line.chars().take(139).chain(['…']).collect() }
}
