"""Keep a Markdown copy of esa's posts, in folders as in esa's categories. Put the folder under git, say.

[plugins.mirror]
folder = "/srv/posts"
"""

from pathlib import Path

from hookline import Context, action, esa


@action(esa.PostCreate, esa.PostUpdate, esa.PostRestore, when=lambda event: not event.post.wip)
def write(event: esa.PostCreate | esa.PostUpdate | esa.PostRestore, ctx: Context) -> None:
    """Write the post. Doing it twice changes nothing, so that a second attempt is harmless."""
    file = _folder(ctx) / _safe(event.post.category) / f"{event.post.number}.md"
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".draft")
    draft.write_text(_markdown(event), encoding="utf-8")
    draft.replace(file)
    _remove_copies(event.post, ctx, keep=file)
    ctx.log.info("mirrored", file=str(file))


@action(esa.PostArchive, esa.PostDelete)
def remove(event: esa.PostArchive | esa.PostDelete, ctx: Context) -> None:
    """Remove the post's copy, if there is one."""
    _remove_copies(event.post, ctx)


def _folder(ctx: Context) -> Path:
    return Path(ctx.settings.get("folder", ".hookline/demo/posts"))


def _remove_copies(post: esa.PostSummary, ctx: Context, keep: Path | None = None) -> None:
    for copy in _folder(ctx).rglob(f"{post.number}.md"):
        if copy != keep:  # a post that has moved to another category
            copy.unlink(missing_ok=True)


def _safe(category: str) -> Path:
    """The category as folders below ours, whatever it says: `../..` is a legal category."""
    parts = (part.replace("\\", "_").replace("\0", "_").strip(". ") for part in category.split("/"))
    return Path(*(part for part in parts if part))


def _markdown(event: esa.PostCreate | esa.PostUpdate | esa.PostRestore) -> str:
    heading = f"# {event.post.title}\n\n<{event.post_url}>\n\n"
    return heading + event.post.body_md.replace("\r\n", "\n")
