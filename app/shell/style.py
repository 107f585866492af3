"""The style sheet, generated from the theme's tokens, and the small tinted marks that it points at."""

from __future__ import annotations

import hashlib
import re
import tempfile
from pathlib import Path
from string import Template

from PySide6.QtCore import QDir, QStandardPaths

from app.shell.look import CAPTION, RADIUS, TEXT, TITLE, Tokens

_MARKS = {
    "down": '<path d="M3 4.6 6 7.4 9 4.6" stroke="{c}"/>',
    "up": '<path d="M3 7.4 6 4.6 9 7.4" stroke="{c}"/>',
    "left": '<path d="M7.4 3 4.6 6 7.4 9" stroke="{c}"/>',
    "right": '<path d="M4.6 3 7.4 6 4.6 9" stroke="{c}"/>',
    "check": '<path d="M2.4 6.4 4.9 8.8 9.6 3.4" stroke="{c}" stroke-width="1.7"/>',
    "dash": '<path d="M3 6h6" stroke="{c}" stroke-width="1.7"/>',
    "dot": '<circle cx="6" cy="6" r="2.4" fill="{c}" stroke="none"/>',
    "close": '<path d="M3 3 9 9M9 3 3 9" stroke="{c}"/>',
}
_SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="12" height="12" viewBox="0 0 12 12" fill="none" '
    'stroke-width="1.4" stroke-linecap="round" stroke-linejoin="round">{body}</svg>'
)


def marks(look: Tokens) -> Path:
    """Write the theme's marks where the style sheet finds them as ``theme:NAME-ROLE.svg``, and return the folder."""
    files = {
        f"{name}-{role}.svg": _SVG.format(body=body.format(c=look.colour(role).name()))
        for name, body in _MARKS.items()
        for role in ("text", "muted", "accent", "on_accent", "line")
    }
    name = f"{look.name}-" + hashlib.sha256("".join(files.values()).encode()).hexdigest()[:12]
    base = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.GenericCacheLocation)
    for root in (
        Path(base) / "theodolite" / "marks" if base else None,
        Path(tempfile.gettempdir()) / "theodolite-marks",
    ):
        if root is None:
            continue
        folder = root / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for file, text in files.items():
                if not (folder / file).exists():
                    (folder / file).write_text(text, encoding="utf-8")
        except OSError:
            continue  # a read-only home: the temporary folder serves as well
        QDir.setSearchPaths("theme", [str(folder)])
        return folder
    return Path()


_SHEET = Template("""
QMainWindow, QDialog { background: $bg; }
QToolTip { background: $panel; color: $text; border: 1px solid $edge; padding: ${px4}px ${px8}px; }

QLabel { background: transparent; }
QLabel:disabled { color: $faint; }
QLabel[role="title"] { font-size: ${px18}px; font-weight: 600; }
QLabel[role="section"] { font-weight: 600; }
QLabel[role="caption"], QLabel[role="group"] { font-size: ${px12}px; color: $muted; }
QLabel[role="muted"] { color: $muted; }
QLabel[role="good"] { color: $good; }
QLabel[role="warn"] { color: $warn; }
QLabel[role="bad"] { color: $bad; }
QLabel[role="error"] { font-size: ${px12}px; color: $bad; }
QFrame[role="callout"] { background: $soft; border-radius: 6px; }
QLabel[role="verdict"] { color: $accent; font-weight: 600; }
QLabel[role="said"] { color: $text; }
QFrame[role="card"], QWidget[role="card"] { background: $panel; border: 1px solid $line; border-radius: ${radius}px; }
QFrame[role="drawer"] { background: $bg; border: 1px solid $edge; border-radius: ${radius}px; }
QFrame[role="rule"] { background: $line; border: none; max-height: 1px; min-height: 1px; }

QPushButton {
    background: $panel; border: 1px solid $edge; border-radius: 6px; padding: ${px4}px ${px12}px;
    min-height: ${px20}px; }
QPushButton:hover { background: $hover; }
QPushButton:pressed { background: $line; }
QPushButton:focus { border: 2px solid $accent; padding: ${px3}px ${px11}px; }
QPushButton:disabled { color: $faint; border-color: $line; background: $bg; }
QPushButton:checked { background: $soft; color: $accent; border-color: $accent; }
QPushButton[primary="true"] {
    background: $accent; color: $on_accent; border: 1px solid $accent; font-weight: 600; padding: 6px ${px12}px; }
QPushButton[primary="true"]:hover { background: $accent_hover; border-color: $accent_hover; }
QPushButton[primary="true"]:focus { border: 2px solid $text; padding: 5px ${px11}px; }
QPushButton[primary="true"]:disabled { background: $line; border-color: $line; color: $muted; }
QPushButton[flat="true"], QPushButton[flat="true"]:checked {
    background: transparent; border: 2px solid transparent; color: $accent; padding: 2px 6px; }
QPushButton[flat="true"]:hover { background: $soft; }
QPushButton[flat="true"]:focus { border: 2px solid $accent; }
QPushButton::menu-indicator { image: url(theme:down-muted.svg); subcontrol-position: right center; right: 6px; }

QToolButton { background: transparent; border: 2px solid transparent; border-radius: 6px; padding: 2px; }
QToolButton:hover { background: $hover; }
QToolButton:pressed, QToolButton:checked { background: $soft; color: $accent; }
QToolButton:focus { border: 2px solid $accent; }
QToolButton:disabled { color: $faint; }
QToolButton::menu-indicator { image: none; }
QToolButton[fold="true"] { color: $muted; padding: 2px 6px 2px 0; margin-left: -3px; }
QToolButton[fold="true"]:checked { background: transparent; color: $muted; }
QToolButton[fold="true"]:hover { color: $text; background: transparent; }

QLineEdit, QPlainTextEdit, QTextEdit, QAbstractSpinBox, QComboBox {
    background: $field; border: 1px solid $edge; border-radius: 6px; padding: 3px 6px; min-height: ${px20}px;
    selection-background-color: $accent; selection-color: $on_accent; }
QLineEdit:hover, QAbstractSpinBox:hover, QComboBox:hover { border-color: $muted; }
QLineEdit:focus, QPlainTextEdit:focus, QTextEdit:focus, QAbstractSpinBox:focus, QComboBox:focus {
    border: 2px solid $accent; padding: 2px 5px; }
QLineEdit:disabled, QAbstractSpinBox:disabled, QComboBox:disabled {
    color: $faint; background: $bg; border-color: $line; }
QLineEdit[invalid="true"], QAbstractSpinBox[invalid="true"], QComboBox[invalid="true"],
QPlainTextEdit[invalid="true"] { border: 2px solid $bad; padding: 2px 5px; }
QAbstractSpinBox QLineEdit, QComboBox QLineEdit {
    background: transparent; border: none; padding: 0; min-height: 0; }
QAbstractSpinBox { padding-right: 20px; max-height: ${px20}px; }
QAbstractSpinBox:focus { padding-right: 19px; }
QAbstractSpinBox::up-button, QAbstractSpinBox::down-button {
    subcontrol-origin: border; width: 18px; border: none; background: transparent; margin-right: 2px; }
QAbstractSpinBox::up-button { subcontrol-position: top right; margin-top: 2px; border-top-right-radius: 4px; }
QAbstractSpinBox::down-button {
    subcontrol-position: bottom right; margin-bottom: 2px; border-bottom-right-radius: 4px; }
QAbstractSpinBox::up-button:hover, QAbstractSpinBox::down-button:hover { background: $hover; }
QAbstractSpinBox::up-arrow { image: url(theme:up-muted.svg); width: 10px; height: 10px; }
QAbstractSpinBox::down-arrow { image: url(theme:down-muted.svg); width: 10px; height: 10px; }
QAbstractSpinBox::up-arrow:off, QAbstractSpinBox::up-arrow:disabled { image: url(theme:up-line.svg); }
QAbstractSpinBox::down-arrow:off, QAbstractSpinBox::down-arrow:disabled { image: url(theme:down-line.svg); }
QComboBox { padding-left: 7px; padding-right: 0; }
QComboBox:focus { padding-left: 6px; padding-right: 0; }
QComboBox::drop-down { border: none; width: 20px; subcontrol-origin: border; subcontrol-position: center right; }
QComboBox::down-arrow { image: url(theme:down-muted.svg); width: 12px; height: 12px; }
QComboBox::down-arrow:disabled { image: url(theme:down-line.svg); }
QComboBox QAbstractItemView {
    background: $panel; border: 1px solid $edge; padding: 4px; outline: none;
    selection-background-color: $soft; selection-color: $accent; }
QComboBox QAbstractItemView::item { min-height: ${px24}px; padding: 0 6px; border-radius: 4px; }

QCheckBox, QRadioButton { spacing: ${px8}px; padding: 2px; background: transparent; }
QCheckBox:disabled, QRadioButton:disabled { color: $faint; }
QCheckBox::indicator, QRadioButton::indicator, QAbstractItemView::indicator {
    width: ${px14}px; height: ${px14}px; border: 1px solid $muted; background: $field; border-radius: 4px;
    margin: 1px; }
QRadioButton::indicator { border-radius: ${half}px; }
QCheckBox::indicator:hover, QRadioButton::indicator:hover, QAbstractItemView::indicator:hover { border-color: $accent; }
QCheckBox::indicator:checked, QAbstractItemView::indicator:checked {
    background: $accent; border-color: $accent; image: url(theme:check-on_accent.svg); }
QCheckBox::indicator:indeterminate, QAbstractItemView::indicator:indeterminate {
    background: $accent; border-color: $accent; image: url(theme:dash-on_accent.svg); }
QRadioButton::indicator:checked { background: $accent; border-color: $accent; image: url(theme:dot-on_accent.svg); }
QCheckBox::indicator:disabled, QRadioButton::indicator:disabled, QAbstractItemView::indicator:disabled {
    border-color: $edge; background: $line; }
QCheckBox::indicator:checked:disabled, QAbstractItemView::indicator:checked:disabled {
    image: url(theme:check-muted.svg); }
QCheckBox:focus, QRadioButton:focus { color: $accent; }
QCheckBox::indicator:focus, QRadioButton::indicator:focus { border: 2px solid $text; margin: 0; }
""")

_SHEET_VIEWS = Template("""
QAbstractItemView {
    background: $panel; border: none; alternate-background-color: $hover; gridline-color: $line;
    selection-background-color: $soft; selection-color: $text; outline: none; }
QTableView::item, QTreeView::item, QListView::item { padding: 0 ${px8}px; border: none; }
QTableView::item:selected, QTreeView::item:selected, QListView::item:selected { background: $soft; color: $text; }
QTableView::item:focus, QTreeView::item:focus, QListView::item:focus { border: 1px solid $accent; }
QTableView:focus, QTreeView:focus, QListView:focus { border: none; }
QHeaderView { background: transparent; border: none; }
QHeaderView::section {
    background: $panel; color: $muted; font-size: ${px12}px; border: none; border-bottom: 1px solid $line;
    padding: 4px 11px; font-weight: 400; }
QHeaderView::section:hover { color: $text; }
QHeaderView::down-arrow { image: url(theme:down-muted.svg); width: 10px; height: 10px; }
QHeaderView::up-arrow { image: url(theme:up-muted.svg); width: 10px; height: 10px; }
QTableCornerButton::section { background: $panel; border: none; }

QScrollArea, QAbstractScrollArea { background: transparent; border: none; }
QPlainTextEdit, QTextEdit, QListWidget {
    background: $field; border: 1px solid $line; border-radius: 6px; padding: 4px; }
QPlainTextEdit:focus, QTextEdit:focus, QListWidget:focus { border: 1px solid $accent; }
QPlainTextEdit[flat="true"] { background: transparent; border: none; padding: 0 8px; }
QListWidget::item { min-height: ${px24}px; border-radius: 4px; }
QScrollArea > QWidget > QWidget[role="page"] { background: transparent; }
QScrollBar:vertical { background: transparent; width: 10px; margin: 0; border: none; }
QScrollBar:horizontal { background: transparent; height: 10px; margin: 0; border: none; }
QScrollBar::handle { background: $edge; border-radius: 3px; border: none; }
QScrollBar::handle:vertical { min-height: 28px; margin: 2px; }
QScrollBar::handle:horizontal { min-width: 28px; margin: 2px; }
QScrollBar::handle:hover { background: $muted; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; border: none; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }

QTabBar { background: transparent; border: none; }
QTabBar::tab {
    background: transparent; color: $muted; border: none; border-bottom: 2px solid transparent;
    padding: 5px ${px12}px 6px; margin-right: 2px; }
QTabBar[tight="true"]::tab { padding-left: ${px8}px; padding-right: ${px8}px; }
QTabBar::tab:hover { color: $text; }
QTabBar::tab:selected { color: $accent; border-bottom: 2px solid $accent; }
QTabBar::tab:focus { background: $soft; border-top-left-radius: 6px; border-top-right-radius: 6px; }
QTabBar QToolButton { background: $bg; border: none; padding: 0; }
QTabBar QToolButton::right-arrow { image: url(theme:right-muted.svg); width: 12px; height: 12px; }
QTabBar QToolButton::left-arrow { image: url(theme:left-muted.svg); width: 12px; height: 12px; }
QTabWidget::pane { border: 1px solid $line; border-radius: ${radius}px; background: $panel; }

QSplitter::handle { background: transparent; }
QSplitter::handle:hover, QSplitter::handle:pressed { background: $line; }
QMenu { background: $panel; border: 1px solid $edge; padding: 4px; }
QMenu::item { padding: 5px 24px 5px 10px; border-radius: 4px; background: transparent; }
QMenu::item:selected { background: $soft; color: $accent; }
QMenu::item:disabled { color: $faint; }
QMenu::separator { height: 1px; background: $line; margin: 4px 6px; }
QMenu::icon { padding-left: 8px; }
QMenu::indicator { width: 12px; height: 12px; padding-left: 6px; }
QMenu::indicator:checked { image: url(theme:check-accent.svg); }
QMenu::right-arrow { image: url(theme:right-muted.svg); width: 10px; height: 10px; }
QMenuBar { background: $bg; border: none; }
QMenuBar::item { background: transparent; padding: 4px 10px; border-radius: 4px; }
QMenuBar::item:selected, QMenuBar::item:pressed { background: $soft; color: $accent; }
QStatusBar { background: $bg; color: $muted; border: none; font-size: ${px12}px; }
QStatusBar::item { border: none; }
QStatusBar QLabel { color: $muted; font-size: ${px12}px; }

QProgressBar {
    background: $line; border: none; border-radius: 3px; max-height: 6px; min-height: 6px; text-align: center;
    color: transparent; }
QProgressBar::chunk { background: $accent; border-radius: 3px; }
QSlider::groove:horizontal { background: $line; height: 4px; border-radius: 2px; }
QSlider::sub-page:horizontal { background: $accent; border-radius: 2px; }
QSlider::handle:horizontal {
    background: $panel; border: 2px solid $accent; width: 12px; height: 12px; margin: -6px 0; border-radius: 8px; }
QSlider::handle:horizontal:hover { background: $soft; }
QSlider:focus { border: 1px solid $accent; border-radius: 6px; }
QSlider::handle:horizontal:disabled { border-color: $edge; }
QGroupBox { border: 1px solid $line; border-radius: 6px; margin-top: ${px12}px; padding-top: ${px8}px; }
QGroupBox::title { subcontrol-origin: margin; left: 8px; color: $muted; }

#rail { background: transparent; }
#rail QPushButton {
    text-align: left; padding: 4px 7px; border-radius: 6px; color: $text; border: 2px solid transparent;
    background: transparent; font-weight: 400; }
#rail QPushButton:hover { background: $hover; }
#rail QPushButton:checked { background: $soft; color: $accent; font-weight: 600; }
#rail QPushButton:focus { border: 2px solid $accent; padding: 4px 7px; }
""")


def sheet(look: Tokens, scale: float = 1.0) -> str:
    """The style sheet of a theme at a font scale."""
    marks(look)
    values: dict[str, object] = {
        name: value for name, value in vars(look).items() if isinstance(value, str) and value.startswith("#")
    }
    values["faint"] = look.colour("edge").name() if not look.dark else "#5b6472"
    if not look.dark:
        values["faint"] = "#a2abb9"
    values["radius"] = RADIUS
    values["half"] = (round(14 * scale) + 2) // 2
    sizes = {3, 4, 8, 11, 12, 14, 20, 24, TEXT, CAPTION, TITLE}
    values.update({f"px{n}": round(n * scale) for n in sizes})
    text = _SHEET.substitute(values) + _SHEET_VIEWS.substitute(values)
    return re.sub(r"\n\s*", "\n", text)
