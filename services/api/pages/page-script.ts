/**
 * The script of pages with passwords and mailed codes, which work without it. It shows passwords on request, and hides
 * them again before the form is sent, so that the browser does not keep them among typed texts. The code of a mailed
 * link arrives in the fragment, which the browser does not send: the script moves it to a hidden field of the form and
 * removes it from the address bar, so that neither bookmarks nor history keep it.
 */
export const PAGE_SCRIPT = `const secrets=document.querySelectorAll('input[type=password]');
for(const label of document.querySelectorAll('label.check[hidden]')){label.hidden=false;const box=label.querySelector('input');
const show=()=>{for(const field of secrets)field.type=box.checked?'text':'password'};
box.addEventListener('change',show);box.form.addEventListener('submit',()=>{box.checked=false;show()})}
const code=location.hash.slice(1),field=document.querySelector('input[name=token]'),typed=document.getElementById('typed');
if(code&&typed){field.value=code;field.type='hidden';typed.hidden=true;history.replaceState(null,'',location.pathname)}`;
