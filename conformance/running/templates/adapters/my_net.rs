// A network in Rust, to be verified by backproof. SPDX-License-Identifier: MIT-0
use std::{fs::File, io::{stdin, BufRead, LineWriter, Write}, os::fd::FromRawFd, panic};
extern "C" { fn dup(from: i32) -> i32; fn dup2(from: i32, to: i32) -> i32; }
const HELLO: &str = r#""protocol": 1, "name": "my net in Rust", "answers": "gradients", "claims":
  {"hidden": ["tanh", "relu", "sigmoid"], "bias": "any"}"#;
// y = f(x W + b); w[k * n_out + j] leads from input k to unit j; f: t(anh), r(elu), s(igmoid), i.
struct Layer { at: usize, f: u8, w: Vec<f64>, b: Option<Vec<f64>>, dw: Vec<f64>, db: Vec<f64> }
fn backprop(layers: &mut [Layer], x: Vec<f64>, t: &[f64], batch: usize, scale: f64) -> f64 {
    let f = |f, x: f64| match f {
        b't' => x.tanh(), b'r' => x.max(0.0), b's' => 1.0 / (1.0 + (-x).exp()), _ => x };
    let slope = |f, y: f64| match f { // f'(x) from y = f(x)
        b't' => 1.0 - y * y, b'r' => f64::from(y > 0.0), b's' => y * (1.0 - y), _ => 1.0 };
    let mut a = vec![x]; // a[i]: what goes into layer i
    for (i, l) in layers.iter().enumerate() {
        let (n_in, n_out) = (a[i].len() / batch, l.db.len());
        a.push((0..batch * n_out).map(|at| {
            let (h, j) = (&a[i][at / n_out * n_in..], at % n_out);
            let z: f64 = (0..n_in).map(|k| h[k] * l.w[k * n_out + j]).sum();
            f(l.f, z + l.b.as_ref().map_or(0.0, |b| b[j]))
        }).collect());
    }
    // --- your own lines: from the outputs back to dw and db ------------------------------------
    let mut delta: Vec<f64> = a[layers.len()].iter().zip(t).map(|(y, t)| y - t).collect();
    let loss = scale * delta.iter().map(|error| error * error).sum::<f64>();
    delta.iter_mut().for_each(|error| *error *= 2.0 * scale);
    for (i, l) in layers.iter_mut().enumerate().rev() {
        let (n_in, n_out, mut dx) = (a[i].len() / batch, l.db.len(), vec![0.0; a[i].len()]);
        for (at, d) in delta.iter().enumerate() {
            let (n, j, d) = (at / n_out, at % n_out, d * slope(l.f, a[i + 1][at]));
            l.db[j] += d;
            for k in 0..n_in { l.dw[k * n_out + j] += a[i][n * n_in + k] * d; }
            for k in 0..n_in { dx[n * n_in + k] += l.w[k * n_out + j] * d; }
        }
        delta = dx;
    }
    loss // --------------------------------------------------------------------------------------
}
fn get<'a>(text: &'a str, key: &str) -> Option<&'a str> { // what stands behind a key
    let at = text.find(&format!("\"{key}\":"))? + key.len() + 3;
    Some(text[at..].trim_start_matches([' ', '"', '[']))
}
fn word<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    get(text, key)?.split(['"', ',', '}', ' ']).next()
}
fn list<'a>(line: &'a str, name: &str, key: &str) -> Option<&'a str> { // its "shape" or "data"
    get(get(line, name)?, key)?.split(']').next()
}
fn array(line: &str, name: &str) -> Option<Vec<f64>> {
    list(line, name, "data")?.split(',').map(|v| v.trim_matches([' ', '"']).parse().ok()).collect()
}
fn answer(line: &str) -> Option<String> {
    let mut net: Vec<Layer> = vec![];
    for (at, text) in get(line, "layers")?.split(']').next()?.split_inclusive('}').enumerate() {
        if let Some(f) = word(text, "function") { net.last_mut()?.f = f.as_bytes()[0]; continue; }
        let (w, b) = (array(line, &format!("{at}.weight"))?, array(line, &format!("{at}.bias")));
        let (dw, db) = (vec![0.0; w.len()], vec![0.0; word(text, "units")?.parse().ok()?]);
        net.push(Layer { at, f: b'i', w, b, dw, db });
    }
    let batch: usize = list(line, "inputs", "shape")?.split(',').next()?.parse().ok()?;
    let mean = if word(line, "reduction")? == "sum" { 1.0 } else { batch as f64 };
    let scale = word(line, "scale")?.parse::<f64>().ok()? / mean;
    let loss = backprop(&mut net, array(line, "inputs")?, &array(line, "targets")?, batch, scale);
    let entry = |name: String, v: &[f64]| list(line, &name, "shape").map(|shape|
        format!(r#""{name}": {{"shape": [{shape}], "data": {v:?}}}"#));
    let gradients: Vec<_> = net.iter().flat_map(|l| [entry(format!("{}.weight", l.at), &l.dw),
        entry(format!("{}.bias", l.at), &l.db)]).flatten().collect();
    let found = format!(r#""loss": {loss:?}, "gradients": {{{}}}"#, gradients.join(", "));
    Some(found.replace("NaN", "null").replace("-inf", "null").replace("inf", "null"))
}
fn main() {
    let mut out = LineWriter::new(unsafe { let fd = dup(1); dup2(2, 1); File::from_raw_fd(fd) });
    for line in stdin().lock().lines().map_while(Result::ok) {
        let reply = match word(&line, "ask") {
            Some("hello") => Some(HELLO.replace('\n', "")),
            Some("gradients") => panic::catch_unwind(|| answer(&line)).ok().flatten(),
            _ => Some(r#""unsupported": "gradients only""#.to_string()),
        }.unwrap_or(r#""error": "stderr may say more""#.to_string());
        writeln!(out, "{{\"id\": {}, {reply}}}", word(&line, "id").unwrap_or("null")).unwrap();
    }
}
