"""SpamAssassin, from Debian's package, finds nothing in a mail that it did not find before."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from instrument.independent import BASE, leaves, text_of
from instrument.test_instrument_corpus import RING, compiled, corpus
from mailglass.instrument import Options

# SpamAssassin calls a mail with an image and less than 3200 bytes of HTML "image only", and a link
# whose words are an https address of another host a mismatch: neither can be avoided by whoever
# adds an image and leads links through another host (docs/explain/instrumentation.md).
SHORT = 3300
MAILS = 60

CHECK = r"""
use strict; use warnings; use Mail::SpamAssassin;
my ($state, @files) = @ARGV;
my $sa = Mail::SpamAssassin->new({ local_tests_only => 1, dont_copy_prefs => 1,
  userstate_dir => $state, userprefs_filename => "$state/prefs" });
$sa->init(1);
for my $file (@files) {
  open my $in, '<:raw', $file or die; local $/; my $text = <$in>; close $in;
  my $mail = $sa->parse($text, 1); my $status = $sa->check($mail);
  print join("\t", $file, split /,/, $status->get_names_of_tests_hit()), "\n";
  $status->finish; $mail->finish;
}
"""


def is_ordinary(raw: bytes) -> bool:
    """Whether SpamAssassin's two unavoidable rules do not concern a message."""
    texts = [text_of(p) for p in leaves(raw) if p.get_content_type() == "text/html"]
    return len(texts) == 1 and len(texts[0]) > SHORT and not re.search(r">\s*https?://", texts[0])


@pytest.mark.servers
def test_an_instrumented_mail_meets_no_new_rule(shared_data: Path, tmp_path: Path) -> None:
    if shutil.which("spamassassin") is None or shutil.which("perl") is None:
        pytest.skip("needs Debian's package spamassassin")
    (tmp_path / "prefs").write_text("use_bayes 0\n")
    names = {}
    for name, raw in corpus(shared_data):
        if len(raw) > 60_000 or not is_ordinary(raw):
            continue
        template = compiled(raw, Options(base_url=BASE))
        out = raw if template is None else template.render(7919 * len(names) + 2**60, RING)
        if out != raw:
            (tmp_path / f"{len(names):03}.old").write_bytes(raw)
            (tmp_path / f"{len(names):03}.new").write_bytes(out)
            names[f"{len(names):03}"] = name
        if len(names) == MAILS:
            break
    assert len(names) == MAILS
    files = sorted(map(str, [*tmp_path.glob("*.old"), *tmp_path.glob("*.new")]))
    command = ["perl", "-e", CHECK, str(tmp_path), *files]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=500)
    hits = {line.split("\t")[0]: set(line.split("\t")[1:]) for line in done.stdout.splitlines()}
    new = {
        names[number]: hits[str(tmp_path / f"{number}.new")] - hits[str(tmp_path / f"{number}.old")]
        for number in names
    }
    assert not {name: rules for name, rules in new.items() if rules}
