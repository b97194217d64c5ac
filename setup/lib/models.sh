# shellcheck shell=bash disable=SC2154 # sourced by setup.sh, which sets here, root, cache, work
# The model directories that an owner would seal: our description beside published weights. Sourced.

models_sources() {
  digest_of "$root/models/convert_use_lite.py" "$root"/models/{line-reader,page-reader}/model.toml \
    "$root"/models/sentence-labels/{model.toml,examples.tsv} "$here/artifacts.sha256"
}

models_ready() {
  stamped models "$1" models && [[ -f $cache/models/line-reader/model.toml ]] &&
    [[ -f $cache/models/page-reader/model.toml ]] &&
    [[ -f $cache/models/sentence-labels/model.toml && -f $cache/models/sentence-labels/examples.tsv ]]
}

# write_charset TO: the published list lacks the newline after its last character.
write_charset() {
  { cat -- "$cache/npm-models/pp-ocr/keys.txt" && echo; } >"$1"
  chmod 644 "$1"
}

make_line_reader() {
  local to=$work/new/models/line-reader
  mkdir -p "$to"
  install -m 644 -- "$root/models/line-reader/model.toml" "$to/model.toml"
  install -m 644 -- "$cache/npm-models/pp-ocr/recogniser.onnx" "$to/model.onnx"
  write_charset "$to/charset.txt"
}

make_page_reader() {
  local to=$work/new/models/page-reader graph
  mkdir -p "$to"
  install -m 644 -- "$root/models/page-reader/model.toml" "$to/model.toml"
  for graph in detector orientation recogniser; do
    install -m 644 -- "$cache/npm-models/pp-ocr/$graph.onnx" "$to/$graph.onnx"
  done
  write_charset "$to/charset.txt"
}

make_sentence_labels() {
  local to=$work/new/models/sentence-labels
  mkdir -p "$to"
  install -m 644 -- "$root"/models/sentence-labels/{model.toml,examples.tsv} "$to/"
  # Debian's own python3: the one that python3-numpy and python3-onnx belong to.
  /usr/bin/python3 -B -s "$root/models/convert_use_lite.py" \
    --from "$cache/npm-models/use-lite" --to "$to"
}

make_models() {
  local sources model
  sources=$(models_sources)
  if models_ready "$sources"; then return; fi
  run_quietly "line-reader: adding our description" make_line_reader || die 70 "could not write it"
  run_quietly "page-reader: adding our description" make_page_reader || die 70 "could not write it"
  run_quietly "sentence-labels: converting to ONNX" make_sentence_labels ||
    die 70 "models/convert_use_lite.py failed"
  if ! proven "$work/new" models; then
    say "      not what setup/artifacts.sha256 says:"
    explain "$work/new" models
    die 65 "a converted model differs from the one that was verified (see models/README.md)."
  fi
  for model in line-reader page-reader sentence-labels; do
    put_in_place "$work/new/models/$model" "$cache/models/$model"
  done
  write_stamp models "$sources" models
  say "      model directories in $(display "$cache/models")"
}
